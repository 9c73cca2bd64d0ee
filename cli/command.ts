// The declaration of a command of `pm2-ops`.

/** The command line was wrong; exit code 2. */
export class UsageError extends Error {
  /** @param command the command whose help shows the right way; the whole help without one */
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
