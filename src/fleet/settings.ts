/** Settings that hold for every node of a fleet: kept by the hub, read by each node at its start. */
import { type Clock, canonicalJson, err, type JsonValue, type NodeId, ok, type Result, refused } from "#base";
import type { NoteRow, QueueStore } from "#queue";
import { notSpoken, speaks } from "./feature-level.ts";
import type { HubClient } from "./io/hub-client.ts";

/** Longer than any list of models or table of prices that a person writes. */
const MAX_SETTING_CHARS = 32 * 1024;
const DEADLINE_MS = 20_000;

export type FleetSetting = {
  readonly key: string;
  readonly value: JsonValue;
  readonly atMs: number;
  /** On which node it was set. */
  readonly node: NodeId;
};

export type SettingReceipt = { readonly key: string; readonly changed: boolean };

/** As one node shows it to another and to people: the hub carries it out, every other node asks the hub. */
export interface FleetSettings {
  list(): Promise<Result<readonly FleetSetting[]>>;
  /** The same value again changes nothing. */
  set(key: string, value: JsonValue): Promise<Result<SettingReceipt>>;
  unset(key: string): Promise<Result<SettingReceipt>>;
}

/** @returns the value as the setting's schema has it; a refusal that says what is wrong. */
export type CheckSetting = (key: string, value: JsonValue) => Result<JsonValue>;

export type HubSettingsParts = {
  readonly store: Pick<QueueStore, "transact">;
  readonly node: NodeId;
  readonly check: CheckSetting;
  readonly level: () => number;
  readonly clock: Clock;
};

export class HubSettings implements FleetSettings {
  readonly #parts: HubSettingsParts;

  constructor(parts: HubSettingsParts) {
    this.#parts = parts;
  }

  list(): Promise<Result<readonly FleetSetting[]>> {
    return listSettings(this.#parts.store);
  }

  async set(key: string, value: JsonValue): Promise<Result<SettingReceipt>> {
    const checked = this.#parts.check(key, value);
    if (!checked.ok) return checked;
    if (JSON.stringify(checked.value).length > MAX_SETTING_CHARS) {
      return err(refused("too_large", `the value of ${key} is longer than ${MAX_SETTING_CHARS} characters`));
    }
    return this.#change(key, checked.value);
  }

  async unset(key: string): Promise<Result<SettingReceipt>> {
    return this.#change(key, undefined);
  }

  /** The setting and the line of the history are one commit. */
  async #change(key: string, value: JsonValue | undefined): Promise<Result<SettingReceipt>> {
    const { store, node, level, clock } = this.#parts;
    if (!speaks(level(), "settings")) return err(notSpoken(level(), "settings", "a setting for all nodes"));
    return store.transact<SettingReceipt>("change a setting of the fleet", (tx) => {
      const known = tx.notes.list("setting").find(({ name }) => name === key)?.value;
      const isSame =
        value === undefined
          ? known === undefined
          : known !== undefined && canonicalJson(known) === canonicalJson(value);
      if (isSame) return ok({ key, changed: false });
      const atMs = clock.nowMs();
      if (value === undefined) tx.notes.remove("setting", key);
      else tx.notes.put({ kind: "setting", name: key, value, atMs, node });
      const data = { key, from: known ?? null, to: value ?? null, node };
      tx.appendEvent({ atMs, kind: value === undefined ? "setting.removed" : "setting.changed", taskId: null, data });
      return ok({ key, changed: true });
    });
  }
}

/** On a node that is not the hub: read from its replica, changed by the hub, which looks whether it is an operator. */
export class RemoteSettings implements FleetSettings {
  readonly #store: Pick<QueueStore, "transact">;
  readonly #client: Pick<HubClient, "request">;

  constructor(store: Pick<QueueStore, "transact">, client: Pick<HubClient, "request">) {
    this.#store = store;
    this.#client = client;
  }

  list(): Promise<Result<readonly FleetSetting[]>> {
    return listSettings(this.#store);
  }

  set(key: string, value: JsonValue): Promise<Result<SettingReceipt>> {
    return this.#ask("PUT", key, { value });
  }

  unset(key: string): Promise<Result<SettingReceipt>> {
    return this.#ask("DELETE", key, undefined);
  }

  async #ask(method: string, key: string, body: JsonValue | undefined): Promise<Result<SettingReceipt>> {
    const path = `/api/fleet/settings/${encodeURIComponent(key)}`;
    const answer = await this.#client.request(method, path, body, { deadlineMs: DEADLINE_MS, isOfNow: true });
    return answer.ok ? ok(answer.value as SettingReceipt) : answer; // `as`: signed by the hub, whose schema it is
  }
}

async function listSettings(store: Pick<QueueStore, "transact">): Promise<Result<readonly FleetSetting[]>> {
  const rows = await store.transact("read the settings of the fleet", (tx) => ok(tx.notes.list("setting")));
  return rows.ok ? ok(rows.value.map(settingOf)) : rows;
}

function settingOf({ name, value, atMs, node }: NoteRow): FleetSetting {
  return { key: name, value, atMs, node };
}
