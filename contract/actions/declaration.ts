// What an action of managed processes is, declared as data: the agent, the module and the command all read it here.

/** One parameter, as data so that validation and help come from one place. */
export interface ParamSpec {
  type: 'boolean' | 'milliseconds' | 'seconds';
  default: boolean | number;
  /** Bounds for times, in their unit. */
  min?: number;
  max?: number;
}

export type ParamSpecs = Readonly<Record<string, ParamSpec>>;

/**
 * What is done when the action is asked of an app by its name: without it, every instance in turn. PM2's own trigger sends it to
 * every instance at once; the module follows this.
 */
export interface Several {
  /** Which instances: every one, or the one with the largest heap. The parameter `all` makes it every one. */
  takes: 'every' | 'largest';
  /** Several of them one after the other by rising id, or at once. */
  order: 'in-turn' | 'at-once';
  /** One at a time for an app: another that is asked for meanwhile waits for its turn. */
  exclusive?: boolean;
}

/** An action. `Fields` is what its reply has beside `ok`, `action`, `pid` and `ms`. */
export interface Action<Specs extends ParamSpecs, Fields extends object> {
  params: Specs;
  /** The latest moment at which it has replied, beside the time that its own parameters ask for. */
  deadlineMs: number;
  several?: Several;
  /** Exists for the type alone: nothing has it. */
  readonly reply?: Fields;
}

/** The words for a person: the command's help. They stand beside the action and not in it, so that they are not in every app. */
export interface Help<Declared extends Action<ParamSpecs, object> = Action<ParamSpecs, object>> {
  /** One line. */
  summary: string;
  /** What each parameter does. */
  params: Readonly<Record<keyof Declared['params'], string>>;
}

/** Of an action that takes no parameters. */
export type NoParams = Record<never, never>;

/** Instead of its fields, where this instance left the action to another one. */
export interface Skipped {
  skipped: true;
  reason: string;
}
