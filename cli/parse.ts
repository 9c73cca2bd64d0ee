// Reads the words behind a command's name, and guesses what a wrong one means.
import { parseArgs } from 'node:util';
import { type Command, UsageError } from './command.ts';
import { didYouMean } from './suggest.ts';

export interface CommandLine {
  values: Record<string, string | boolean>;
  positionals: string[];
}

/** Whether the line asks for the command's help. A word behind `--` is a name, even if it looks like an option. */
export function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).some((word) => word === '--help' || word === '-h');
}

/** Reads a line as its command declares it. @throws {UsageError} when the line is wrong */
export function parse({ name, options, arguments: names }: Command, args: string[]): CommandLine {
  const { tokens, positionals } = parseArgs({ args, options, allowPositionals: true, strict: false, tokens: true });
  const values: CommandLine['values'] = {};
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const option =
      Object.hasOwn(options, token.name) && token.rawName.startsWith('--') ? options[token.name] : undefined;
    if (option === undefined) throw new UsageError(unknownOption(name, token.rawName, token.name, options), name);
    if (Object.hasOwn(values, token.name)) throw new UsageError(`--${token.name} is given twice`, name);
    values[token.name] = option.type === 'boolean' ? flag(name, token) : text(name, token);
  }
  const takesMore = names.at(-1)?.includes('…') === true;
  if (positionals.length > names.length && !takesMore) {
    const surplus = JSON.stringify(positionals[names.length]);
    const takes =
      names.length === 0 ? 'no argument' : names.length === 1 ? 'one argument' : `${names.length} arguments`;
    throw new UsageError(`${name} takes ${takes}, and does not know what ${surplus} is`, name);
  }
  return { values, positionals };
}

interface OptionToken {
  name: string;
  rawName: string;
  value: string | undefined;
  inlineValue: boolean | undefined;
}

function flag(command: string, { name, value }: OptionToken): boolean {
  if (value === undefined || value === 'true') return true;
  if (value === 'false') return false;
  throw new UsageError(`--${name} is true or false, not ${JSON.stringify(value)}`, command);
}

function text(command: string, { name, value, inlineValue }: OptionToken): string {
  const isNext = value?.startsWith('--') === true && inlineValue !== true;
  if (value === undefined || value === '' || isNext)
    throw new UsageError(`--${name} needs a value: --${name}=…`, command);
  return value;
}

function unknownOption(command: string, raw: string, name: string, options: Command['options']): string {
  if (!raw.startsWith('--'))
    return `${command} has no option ${raw}; an app whose name begins with a dash stands behind --: pm2-ops ${command} -- ${raw}…`;
  return `${command} has no option ${raw}${didYouMean(name, Object.keys(options), (word) => `--${word}`)}`;
}
