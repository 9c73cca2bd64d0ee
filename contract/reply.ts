// The reply of an action of a managed process.
import type { ActionName, FieldsOf } from './actions/index.ts';
import type { Failure } from './errors.ts';

/** What every successful reply has, beside the fields of its action. */
export interface Success {
  ok: true;
  action: string;
  pid: number;
  /** How long the action took. */
  ms: number;
}

/** The reply of any action. */
export type Reply = Success | Failure;

/** The reply of one action. */
export type ReplyOf<Name extends ActionName> = SuccessOf<Name> | Failure;

export type SuccessOf<Name extends ActionName> = Success & FieldsOf<Name>;

/** The reply of one action as it reaches the module. An app may have sent it, so its fields are not validated yet. */
export type HeardReply<Name extends ActionName> =
  | (Success & { readonly [Field in KeyOf<FieldsOf<Name>>]?: unknown })
  | Failure;

/** The keys of all members of a union. */
type KeyOf<Fields> = Fields extends unknown ? keyof Fields : never;
