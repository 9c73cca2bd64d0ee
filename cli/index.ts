#!/usr/bin/env node
// The `pm2-ops` command. One file per command; arguments are declared as data, so that help comes from the same place.
import { ACTION_NAMES } from '../contract/actions/index.ts';
import { VERSION } from '../contract/version.ts';
import { agentCommand } from './agentCommand.ts';
import { type Command, UsageError } from './command.ts';
import { alerts } from './commands/alerts.ts';
import { attach } from './commands/attach.ts';
import { detach } from './commands/detach.ts';
import { doctor } from './commands/doctor.ts';
import { init } from './commands/init.ts';
import { reload } from './commands/reload.ts';
import { repl } from './commands/repl.ts';
import { rules } from './commands/rules.ts';
import { stack } from './commands/stack.ts';
import { status } from './commands/status.ts';
import { why } from './commands/why.ts';
import { complain, say } from './output.ts';
import { asksForHelp, parse } from './parse.ts';
import { didYouMean, nearest } from './suggest.ts';

const commands: Command[] = [
  status,
  why,
  stack,
  ...ACTION_NAMES.map(agentCommand),
  reload,
  repl,
  attach,
  detach,
  doctor,
  rules,
  alerts,
  init,
];

/** Runs one command. @returns the exit code: 0 it worked, 1 it did not, 2 the command line was wrong */
async function main(argv: string[]): Promise<number> {
  const [name = 'help', ...rest] = argv;
  if (name === '--version' || name === '-v') return print(VERSION);
  if (['help', '--help', '-h'].includes(name)) return print(rest[0] === undefined ? help() : helpOf(find(rest[0])));
  const command = find(name);
  if (asksForHelp(rest)) return print(helpOf(command));
  try {
    return await command.run(parse(command, rest));
  } catch (error) {
    throw error instanceof UsageError && error.command === undefined ? new UsageError(error.message, name) : error;
  }
}

/** @throws {UsageError} when there is no such command, with the nearest one */
function find(name: string): Command {
  const command = commands.find((each) => each.name === name);
  if (command) return command;
  const names = commands.map((each) => each.name);
  throw new UsageError(`there is no command "${name}"${didYouMean(name, names)}`, nearest(name, names));
}

function help(): string {
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(17)} ${summary}`);
  return ['Usage: pm2-ops <command>', '', ...rows, '', 'More on one: pm2-ops help <command>'].join('\n');
}

function usageOf({ name, arguments: names }: Command): string {
  return `Usage: pm2-ops ${[name, ...names].join(' ')}`;
}

function helpOf(command: Command): string {
  const rows = Object.entries(command.options).map(([option, { help }]) => `  --${option.padEnd(10)} ${help}`);
  return [usageOf(command), '', command.summary, ...(rows.length > 0 ? ['', ...rows] : [])].join('\n');
}

function print(text: string): number {
  say(text);
  return 0;
}

/** The second line of an error: how the command is used, and which help to read. */
function wayOut({ command: name }: UsageError): string {
  const command = commands.find((each) => each.name === name);
  return command ? `${usageOf(command)}; more: pm2-ops help ${command.name}` : 'all commands: pm2-ops help';
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    complain(`pm2-ops: ${error instanceof Error ? error.message : String(error)}`);
    if (error instanceof UsageError) complain(wayOut(error));
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
