// What an action of a managed process replies.
import type { ActionName, FieldsOf } from './actions/index.ts';
import type { Failure } from './errors.ts';

/** The part that every successful reply has; the fields of its action stand beside it. */
export interface Success {
  ok: true;
  action: string;
  pid: number;
  /** How long the action took. */
  ms: number;
}

/** A reply of whichever action. */
export type Reply = Success | Failure;

/** The reply of one action. */
export type ReplyOf<Name extends ActionName> = SuccessOf<Name> | Failure;

export type SuccessOf<Name extends ActionName> = Success & FieldsOf<Name>;

/** The reply of one action as the module hears it: the word of an app, in which a field may hold anything. */
export type HeardReply<Name extends ActionName> =
  | (Success & { readonly [Field in KeyOf<FieldsOf<Name>>]?: unknown })
  | Failure;

/** The keys of every member of a union. */
type KeyOf<Fields> = Fields extends unknown ? keyof Fields : never;
