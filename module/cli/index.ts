#!/usr/bin/env node
// The `pm2-ops` command. One file per command; arguments are declared as data, so that help comes from the same place.
import { parseArgs } from 'node:util';
import { ACTION_NAMES } from '../protocol.ts';
import { VERSION } from '../version.ts';
import { agentCommand } from './agentCommand.ts';
import { type Command, UsageError } from './command.ts';
import { attach } from './commands/attach.ts';
import { detach } from './commands/detach.ts';
import { doctor } from './commands/doctor.ts';
import { init } from './commands/init.ts';
import { reload } from './commands/reload.ts';
import { repl } from './commands/repl.ts';
import { stack } from './commands/stack.ts';
import { status } from './commands/status.ts';

const commands: Command[] = [
  status,
  stack,
  ...ACTION_NAMES.map(agentCommand),
  reload,
  repl,
  attach,
  detach,
  doctor,
  init,
];

/** 0 it worked, 1 it did not, 2 the command line was wrong. */
async function main(argv: string[]): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (name === '--version' || name === '-v') return print(VERSION);
  if (['help', '--help', '-h'].includes(name)) return print(help());
  const command = commands.find((each) => each.name === name);
  if (!command) throw new UsageError(`there is no command "${name}"`);
  if (rest.includes('--help') || rest.includes('-h')) return print(helpOf(command));
  const { values, positionals } = parse(command, rest);
  const takesMore = command.arguments.at(-1)?.includes('…') === true;
  if (positionals.length > command.arguments.length && !takesMore)
    throw new UsageError(`${name} does not take "${positionals.at(-1)}"`);
  return command.run({ values, positionals });
}

function parse(command: Command, args: string[]) {
  try {
    return parseArgs({ args, options: command.options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function help(): string {
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(17)} ${summary}`);
  return ['Usage: pm2-ops <command>', '', ...rows, '', 'More on one: pm2-ops <command> --help'].join('\n');
}

function helpOf({ name, summary, arguments: names, options }: Command): string {
  const rows = Object.entries(options).map(([option, { help }]) => `  --${option.padEnd(10)} ${help}`);
  return [`Usage: pm2-ops ${[name, ...names].join(' ')}`, '', summary, ...(rows.length > 0 ? ['', ...rows] : [])].join(
    '\n',
  );
}

function print(text: string): number {
  console.log(text);
  return 0;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(`pm2-ops: ${error instanceof Error ? error.message : String(error)}`);
    if (error instanceof UsageError) console.error(help());
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
