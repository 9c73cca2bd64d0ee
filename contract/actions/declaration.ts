// The declaration of an action of managed processes, as data, which the agent, the module and the command all read.

/** One parameter. */
export interface ParamSpec {
  type: 'boolean' | 'milliseconds' | 'seconds';
  default: boolean | number;
  /** Bounds for times, in their unit. */
  min?: number;
  max?: number;
}

export type ParamSpecs = Readonly<Record<string, ParamSpec>>;

/**
 * What happens if a person asks an app by its name for an action. Without this, every instance performs it in turn. The module
 * follows this; PM2's own trigger reaches every instance at once.
 */
export interface Several {
  /** Every instance, or only the one with the largest heap. The parameter `all` makes it every one. */
  takes: 'every' | 'largest';
  /** One instance after the other by rising id, or all at once. */
  order: 'in-turn' | 'at-once';
  /** Only one such action of an app runs at a time; another one waits for its turn. */
  exclusive?: boolean;
}

/** An action. `Fields` are those of its reply, beside `ok`, `action`, `pid` and `ms`. */
export interface Action<Specs extends ParamSpecs, Fields extends object> {
  params: Specs;
  /** Within this time, plus the time that its parameters ask for, the action has replied. */
  deadlineMs: number;
  several?: Several;
  /** Only for the type; no action has a value for it. */
  readonly reply?: Fields;
}

/** The command's help on an action. It is not part of the action, so that agents do not carry it into every app. */
export interface Help<Declared extends Action<ParamSpecs, object> = Action<ParamSpecs, object>> {
  /** One line. */
  summary: string;
  /** What each parameter does. */
  params: Readonly<Record<keyof Declared['params'], string>>;
}

/** The parameters of an action that takes none. */
export type NoParams = Record<never, never>;

/** The fields of a reply if this instance has left the action to another one. */
export interface Skipped {
  skipped: true;
  reason: string;
}
