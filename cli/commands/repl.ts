// `pm2-ops repl web:0`: a REPL inside a process. The line is edited here, with its history; the app only evaluates.
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { homedir, userInfo } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { ReplOpened, ReplQuestion } from '../../contract/commandMessages.ts';
import type { Failure } from '../../contract/errors.ts';
import { NAME } from '../../contract/names.ts';
import { type ClientFrame, frameReader, type ServerFrame } from '../../contract/replFrames.ts';
import { printable } from '../../shared/text/printable.ts';
import { connectToApp } from '../appSocket.ts';
import { askModule } from '../askModule.ts';
import { type Command, UsageError } from '../command.ts';
import { failureText } from '../failureText.ts';
import { complain, forTerminal, say } from '../output.ts';
import { ESCAPE } from '../table.ts';

export const repl: Command = {
  name: 'repl',
  summary: 'Opens a REPL inside a process (setting repl: off unless allowed). Reads a script from a pipe.',
  arguments: ['<id>'],
  options: {},
  async run({ positionals: [target] }) {
    if (target === undefined) throw new UsageError('which process? for example: pm2-ops repl web:0');
    const question: ReplQuestion = { target, user: userName(), uid: process.getuid?.() ?? -1 };
    const reply = await askModule<ReplOpened | Failure>('repl', question);
    if (reply.ok) return new Session(reply, process.stdin.isTTY === true && process.stdout.isTTY === true).run();
    complain(failureText(reply));
    return 1;
  },
};

/** Colours and styles of Node's `inspect`, which the app sends to a terminal. */
const INSPECTED = new RegExp(`(${ESCAPE}\\[(?:[1347]|2[2347]|3[0-79]|9[0-7])m)`);
const NONE = /(?!)()/;

const LONGEST_HISTORY = 1_000;
const COMPLETES_WITHIN_MS = 1_000;

class Session {
  private readonly socket: Socket;
  private readonly lines: Interface;
  private readonly prompt: string;
  private readonly colours: boolean;
  private readonly historyFile = join(process.env.PM2_HOME ?? join(homedir(), '.pm2'), NAME, 'repl_history');
  private history: string[] = [];
  /** Lines that wait for the end of the running one. */
  private readonly waiting: string[] = [];
  private running = true;
  /** Code that the next line continues. */
  private begun = '';
  private inputEnded = false;
  private errors = 0;
  private complete: ((names: string[], of: string) => void) | undefined;
  private over: (() => void) | undefined;
  private reason = 'the process has ended';

  constructor(
    private readonly opened: ReplOpened,
    private readonly terminal: boolean,
  ) {
    this.prompt = printable(`${opened.name}:${opened.id}> `);
    this.colours = terminal && !process.env.NO_COLOR;
    this.socket = connectToApp(opened.socket, opened.uid);
    if (terminal) this.history = this.readHistory();
    this.lines = createInterface({
      input: process.stdin,
      output: terminal ? process.stdout : undefined,
      terminal,
      history: this.history,
      historySize: LONGEST_HISTORY,
      completer: terminal ? (line: string, done: Completed) => this.completer(line, done) : undefined,
    });
  }

  /** @returns the exit code: 1 when the connection broke, or a script's line threw */
  async run(): Promise<number> {
    const { token } = this.opened;
    const ended = new Promise<void>((resolve) => {
      this.over = resolve;
    });
    const read = frameReader<ServerFrame>((frame) => this.hear(frame));
    this.socket.setEncoding('utf8').on('data', read as unknown as (chunk: Buffer) => void);
    this.socket.on('error', (error) => {
      this.reason = error.message;
    });
    this.socket.on('close', () => this.over?.());
    this.socket.on('connect', () => {
      this.say({ hello: token, columns: this.columns(), colours: this.colours });
    });
    this.lines.on('line', (line) => this.line(line));
    this.lines.on('close', () => {
      this.inputEnded = true;
      // A person leaves at once; a script is run to its end.
      if (this.terminal) this.socket.end();
      else this.next();
    });
    this.lines.on('SIGINT', () => this.interrupt());
    this.lines.on('history', (history: string[]) => {
      this.history = history;
    });
    process.stdout.on('resize', () => this.say({ columns: this.columns() }));
    await ended;
    const left = this.inputEnded && (this.terminal || (!this.running && this.waiting.length === 0));
    if (this.terminal) this.writeHistory();
    this.lines.close();
    if (!left) complain(`${this.terminal ? '\n' : ''}pm2-ops: ${printable(this.reason)}`);
    return left && this.errors === 0 ? 0 : 1;
  }

  private hear(frame: ServerFrame): void {
    if ('ready' in frame) this.greet(frame.ready);
    else if ('print' in frame) this.print(frame.print);
    else if ('done' in frame) this.done(frame.done);
    else if ('completions' in frame) this.offer(...frame.completions);
    else this.reason = frame.end;
  }

  private greet({ node, names }: { node: string; names: string[] }): void {
    const { name, id, pid } = this.opened;
    if (this.terminal) {
      const offers = names.length > 0 ? ` It offers: ${names.join(', ')}.` : '';
      say(printable(`${name} (id ${id}, pid ${pid}), Node ${node}.${offers} Ctrl-C interrupts, Ctrl-D leaves.`));
    }
    this.running = false;
    this.next();
  }

  private line(line: string): void {
    this.waiting.push(line);
    this.next();
  }

  /** Runs the next line, or asks for it, or leaves. */
  private next(): void {
    if (this.running) return;
    const line = this.waiting.shift();
    if (line !== undefined) {
      const code = this.begun + line;
      if (code.trim() === '') {
        this.ask();
        return;
      }
      this.running = true;
      this.begun = code;
      this.say({ run: code });
    } else if (this.inputEnded) this.socket.end();
    else this.ask();
  }

  private ask(): void {
    if (!this.terminal) return;
    this.lines.setPrompt(this.begun === '' ? this.prompt : '... ');
    this.lines.prompt(true);
  }

  private done(how: 'ok' | 'error' | 'incomplete'): void {
    this.running = false;
    if (how === 'error' && !this.terminal) this.errors++;
    // A script that ends in the middle of a statement has an error.
    if (how === 'incomplete' && !this.terminal && this.inputEnded && this.waiting.length === 0) {
      this.errors++;
      complain('Uncaught SyntaxError: Unexpected end of input');
    }
    this.begun = how === 'incomplete' ? `${this.begun}\n` : '';
    this.next();
  }

  /** Prints above the line that the person types. */
  private print(given: string): void {
    const text = forTerminal(given, this.colours ? INSPECTED : NONE);
    if (!this.terminal || this.running) {
      process.stdout.write(text);
      return;
    }
    process.stdout.write(`\r\u001b[J${text}`);
    this.lines.prompt(true);
  }

  private interrupt(): void {
    // Even with no line running, a timer of typed code may run.
    this.say({ interrupt: true });
    if (this.running) return;
    const wasEmpty = this.lines.line === '' && this.begun === '';
    this.begun = '';
    this.lines.write(null, { ctrl: true, name: 'e' });
    this.lines.write(null, { ctrl: true, name: 'u' });
    process.stdout.write(wasEmpty ? '\n(to leave: Ctrl-D)\n' : '\n');
    this.ask();
  }

  private completer(line: string, done: Completed): void {
    const settle = (names: string[], of: string) => {
      clearTimeout(late);
      this.complete = undefined;
      done(null, [names, of]);
    };
    const late = setTimeout(settle, COMPLETES_WITHIN_MS, [], line);
    this.complete = settle;
    this.say({ complete: line });
  }

  /** Offers only names that can be shown, and so typed, as they are. */
  private offer(names: string[], of: string): void {
    this.complete?.(
      names.filter((name) => printable(name) === name),
      of,
    );
  }

  private columns(): number {
    return process.stdout.columns ?? 80;
  }

  private say(frame: ClientFrame): void {
    if (this.socket.writable) this.socket.write(`${JSON.stringify(frame)}\n`);
  }

  private readHistory(): string[] {
    try {
      return JSON.parse(readFileSync(this.historyFile, 'utf8')) as string[];
    } catch {
      return [];
    }
  }

  private writeHistory(): void {
    try {
      writeFileSync(this.historyFile, JSON.stringify(this.history.slice(0, LONGEST_HISTORY)), { mode: 0o600 });
      chmodSync(this.historyFile, 0o600);
    } catch {
      // The next session begins with an older history.
    }
  }
}

type Completed = (error: null, result: [string[], string]) => void;

/** The person's user name, also behind sudo. */
function userName(): string {
  try {
    const { username } = userInfo();
    const { SUDO_USER } = process.env;
    return SUDO_USER ? `${username} (sudo by ${SUDO_USER})` : username;
  } catch {
    return 'unknown';
  }
}
