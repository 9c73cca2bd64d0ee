// Command line of a benchmark: `--name VALUE`, declared as data so that `--help` comes from the same place.

import { parseArgs } from 'node:util';

/** What the default is, the option is: a number, a text, or a flag that is off. */
export interface Option {
  default: number | string | false;
  help: string;
}

type Value<T> = T extends number ? number : T extends string ? string : boolean;
type Values<T extends Record<string, Option>> = { [Key in keyof T]: Value<T[Key]['default']> };

/** The options as given; prints help and ends when asked or when something is not understood. */
export function readOptions<T extends Record<string, Option>>(script: string, known: T): Values<T> {
  const help = () =>
    Object.entries(known)
      .map(
        ([name, { default: standard, help }]) =>
          `${`  --${name}${FORMS[typeof standard]}`.padEnd(24)}${help}${shown(standard)}`,
      )
      .join('\n');
  try {
    const { values } = parseArgs({ options: specOf(known) });
    if (values.help) {
      console.log(`npm run ${script} -- [options]\n${help()}`);
      process.exit(0);
    }
    const options: Record<string, number | string | boolean> = {};
    for (const [name, { default: standard }] of Object.entries(known)) {
      const given = values[name];
      options[name] = given === undefined ? standard : typeof standard === 'number' ? Number(given) : given;
      if (typeof standard === 'number' && !(Number(options[name]) >= 0))
        throw new Error(`--${name} must be a number, not ${String(given)}`);
    }
    return options as Values<T>;
  } catch (error) {
    console.error(`${(error as Error).message}\n${help()}`);
    process.exit(2);
  }
}

const FORMS: Record<string, string> = { number: ' NUMBER', string: ' TEXT', boolean: '' };

function shown(standard: Option['default']): string {
  return typeof standard === 'number' ? ` (${standard})` : '';
}

function specOf(known: Record<string, Option>): Record<string, { type: 'string' | 'boolean' }> {
  const own = Object.entries(known).map(
    ([name, { default: standard }]) => [name, { type: standard === false ? 'boolean' : 'string' }] as const,
  );
  return { ...Object.fromEntries(own), help: { type: 'boolean' } };
}
