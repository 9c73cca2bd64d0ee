// What a command of `pm2-ops` declares.

/** The command line was wrong; exit code 2. */
export class UsageError extends Error {
  /** @param command whose help says how it is right; without one the whole help does */
  constructor(
    message: string,
    readonly command?: string,
  ) {
    super(message);
  }
}

export interface Command {
  name: string;
  /** One line for the help. */
  summary: string;
  /** Names of its positional arguments, as the help shows them. */
  arguments: string[];
  options: Record<string, { type: 'boolean' | 'string'; help: string }>;
  /** @returns the exit code */
  run(input: { values: Record<string, unknown>; positionals: string[] }): Promise<number>;
}
