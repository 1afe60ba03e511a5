/** fleet: several nodes that share one queue: who may join, who is believed, and what the hub is asked. */
export { cryptography } from "./io/cryptography.ts";
export { FleetOrders, type Order } from "./orders.ts";
export { RequestGate, refusalText } from "./trust/gate.ts";
export { HubClock } from "./trust/hub-clock.ts";
export {
  type Candidate,
  type HubIdentity,
  type JoinAnswer,
  type JoinRequest,
  type JoinToken,
  joinRequest,
  judgeJoin,
  type LeaseClass,
  makeToken,
  readInvitation,
} from "./trust/join-token.ts";
export { followKeyChanges, isGenuine, type KeyChange, makeKeyChange } from "./trust/key-change.ts";
export { type Cryptography, fingerprintOf, isPublicKey, type NodeKey } from "./trust/keys.ts";
export { FLEET_ROLES, type FleetAction, type FleetRole, mayDo, roleFor } from "./trust/roles.ts";
export * from "./trust/signing.ts";
export { type KnownNode, MAX_SKEW_MS, type TrustRefusal, verifyRequest } from "./trust/verify-request.ts";
