// Command line of a benchmark: `--name NUMBER`, declared as data so that `--help` comes from the same place.

import { parseArgs } from 'node:util';

export interface Option {
  default: number;
  help: string;
}

/** The options as given; prints help and ends when asked or when something is not understood. */
export function readOptions<T extends Record<string, Option>>(script: string, known: T): { [Key in keyof T]: number } {
  const help = () =>
    Object.entries(known)
      .map(([name, { default: standard, help }]) => `${`  --${name} NUMBER`.padEnd(24)}${help} (${standard})`)
      .join('\n');
  try {
    const { values } = parseArgs({ options: specOf(known) });
    if (values.help) {
      console.log(`npm run ${script} -- [options]\n${help()}`);
      process.exit(0);
    }
    const options: Record<string, number> = {};
    for (const [name, option] of Object.entries(known)) {
      const given = values[name];
      options[name] = given === undefined ? option.default : Number(given);
      if (!(options[name]! >= 0)) throw new Error(`--${name} must be a number, not ${String(given)}`);
    }
    return options as { [Key in keyof T]: number };
  } catch (error) {
    console.error(`${(error as Error).message}\n${help()}`);
    process.exit(2);
  }
}

function specOf(known: Record<string, Option>): Record<string, { type: 'string' | 'boolean' }> {
  const numbers = Object.keys(known).map((name) => [name, { type: 'string' }] as const);
  return { ...Object.fromEntries(numbers), help: { type: 'boolean' } };
}
