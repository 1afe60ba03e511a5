/** What a node says to the thread that holds its replica, and hears from it. */
export type ReplicaRequest =
  | { readonly kind: "open"; readonly path: string; readonly url: string; readonly token: string }
  | { readonly kind: "sync" }
  | { readonly kind: "end" };

export type ReplicaCall = { readonly id: number; readonly request: ReplicaRequest };

export type ReplicaAnswer =
  | { readonly id: number; readonly ok: true }
  | { readonly id: number; readonly ok: false; readonly message: string };
