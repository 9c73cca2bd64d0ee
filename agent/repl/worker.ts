// The thread that serves a REPL's socket, beside the app's own: it listens, writes the audit, watches the time and interrupts
// typed code that blocks the app. The app's main thread only evaluates.
import { chmodSync, closeSync, constants, fchmodSync, mkdirSync, rmSync, writeSync } from 'node:fs';
import { Session } from 'node:inspector';
import { createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import {
  type ClientFrame,
  frameReader,
  INTERRUPT,
  type Interruption,
  type ServerFrame,
  type ToMain,
  type ToWorker,
} from '../../contract/replFrames.ts';
import type { ReplData } from '../../contract/replRequest.ts';
import { openRegularSync } from '../../shared/files/regularFile.ts';

/** How long an interrupt of the main thread may take. */
const INTERRUPT_MS = 2_000;
/** How long an evaluation that V8 has ended may take to report that. */
const SAYS_SO_MS = 300;
/** How often, and with which pause, this thread asks the main thread about an evaluation that has not begun. */
const ASKS = 20;
const ASK_EVERY_MS = 50;
/** Code after an `await` is ended only if it blocks the app for this long, because V8 ends any code that runs at that moment. */
const BLOCKS_MS = 500;
/** How long the client has to read the last frame. */
const LAST_WORDS_MS = 200;

const { folder, socket: path, token, audit, idleMs, comesWithinMs, who } = workerData as ReplData;
const main = parentPort!;
let client: Socket | undefined;
/** The number of the evaluation that runs, 0 for none. */
let running = 0;
let count = 0;
let over = false;

const server = createServer(accept);
let timer = setTimeout(() => end('no client connected'), comesWithinMs);
main.on('message', fromMain);
listen();

function listen(): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    chmodSync(folder, 0o700);
    // A killed process that had this pid may have left its socket.
    rmSync(path, { force: true });
  } catch (error) {
    tell({ kind: 'failed', message: (error as Error).message });
    return;
  }
  server.on('error', (error) => tell({ kind: 'failed', message: error.message }));
  // In cluster mode `exclusive` keeps PM2's daemon from listening in our place.
  server.listen({ path, exclusive: true }, () => {
    try {
      chmodSync(path, 0o600);
      tell({ kind: 'listening' });
    } catch (error) {
      tell({ kind: 'failed', message: (error as Error).message });
    }
  });
}

/** Serves the first client that knows the token, and refuses all others. */
function accept(socket: Socket): void {
  let known = false;
  socket.setEncoding('utf8');
  socket.on('error', () => {});
  socket.on('close', () => {
    if (known) leave();
  });
  const read = frameReader<ClientFrame>((frame) => {
    if (known) {
      obey(frame);
      return;
    }
    if (client || !('hello' in frame) || frame.hello !== token) {
      socket.destroy();
      return;
    }
    known = true;
    client = socket;
    // Closing the server removes the socket's file.
    server.close();
    awake();
    record({ event: 'opened' });
    tell({ kind: 'columns', columns: frame.columns, colours: frame.colours });
  });
  socket.on('data', read as unknown as (chunk: Buffer) => void);
}

function obey(frame: ClientFrame): void {
  awake();
  if ('run' in frame) run(frame.run);
  else if ('complete' in frame) tell({ kind: 'complete', line: frame.complete });
  else if ('interrupt' in frame) void interrupt();
  else if ('columns' in frame) tell({ kind: 'columns', columns: frame.columns, colours: true });
}

/** Writes the line to the audit, then runs it. */
function run(code: string): void {
  try {
    record({ line: code });
  } catch (error) {
    say({ print: `not run, because it could not be written to ${audit}: ${(error as Error).message}\n` });
    say({ done: 'error' });
    return;
  }
  running = ++count;
  tell({ kind: 'run', id: running, code });
}

function fromMain(message: ToWorker): void {
  switch (message.kind) {
    case 'ready':
      say({ ready: { node: process.version, names: message.names } });
      break;
    case 'print':
      say({ print: message.text });
      break;
    case 'done':
      if (message.id === running) done(message.how);
      break;
    case 'completions':
      say({ completions: [message.names, message.of] });
      break;
    case 'close':
      end(message.reason);
  }
}

function done(how: 'ok' | 'error' | 'incomplete'): void {
  running = 0;
  awake();
  say({ done: how });
}

/** Ctrl-C: has V8 end typed code that blocks the main thread. */
async function interrupt(): Promise<void> {
  const id = running;
  let answer = await askMain(id);
  // The main thread may not have begun yet.
  for (let again = 0; answer === 'idle' && id > 0 && running === id && again < ASKS; again++) {
    await sleep(ASK_EVERY_MS);
    answer = await askMain(id);
  }
  if (answer === 'late') {
    await sleep(BLOCKS_MS);
    if (running === id) answer = await askMain(id, true);
  }
  switch (answer) {
    case 'late':
    case 'terminate':
      // The main thread reports the end of an evaluation, but not of code after an `await`.
      await sleep(SAYS_SO_MS);
      giveUp(id);
      break;
    case 'abandon':
      giveUp(id);
      break;
    case 'idle':
      if (id > 0 && running === id) say({ print: 'not begun yet: the app is busy; try again\n' });
      break;
    case 'stuck':
      say({ print: STUCK });
      break;
    default:
      say({ print: 'no answer from V8: it is in native code or in a system call; try again\n' });
  }
}

function giveUp(id: number): void {
  if (id === 0 || running !== id) return;
  tell({ kind: 'abandon' });
  say({ print: 'Interrupted\n' });
  done('error');
}

const STUCK = `cannot be interrupted: it runs in a callback that Node calls, which V8 cannot end without ending the process; pm2 restart ${who.pm_id}\n`;

/**
 * Asks the main thread what an interrupt would do, and ends typed code. The session lasts only for the question: closing an
 * inspector waits for its sessions.
 * @param endsLate also end code after an `await`?
 */
function askMain(id: number, endsLate = false): Promise<Interruption | undefined> {
  return new Promise((resolve) => {
    const session = new Session();
    session.connectToMainThread();
    const settle = (answer?: Interruption) => {
      clearTimeout(late);
      session.disconnect();
      resolve(answer);
    };
    const late = setTimeout(settle, INTERRUPT_MS);
    const expression = `globalThis[Symbol.for(${JSON.stringify(INTERRUPT)})].ask(${id})`;
    session.post('Runtime.evaluate', { expression, returnByValue: true, silent: true }, (error, answer) => {
      const interruption = error ? undefined : (answer.result.value as Interruption);
      const ends = interruption === 'terminate' || (endsLate && interruption === 'late');
      if (!ends) settle(interruption);
      else session.post('Runtime.terminateExecution', () => settle(interruption));
    });
  });
}

/** Ends an evaluation that the client has left running. */
async function leave(): Promise<void> {
  if (over) return;
  client = undefined;
  if (running > 0) await interrupt();
  end('its client left');
}

function awake(): void {
  clearTimeout(timer);
  // A running evaluation keeps the session open.
  timer = setTimeout(() => (running > 0 ? awake() : end(`closed after ${minutes(idleMs)} without a word`)), idleMs);
}

function end(reason: string): void {
  if (over) return;
  over = true;
  clearTimeout(timer);
  server.close();
  rmSync(path, { force: true });
  say({ end: reason });
  client?.end();
  try {
    record({ event: 'closed', reason });
  } catch {
    // The session closes with or without this line.
  }
  setTimeout(() => process.exit(0), client ? LAST_WORDS_MS : 0);
}

/** Appends a line of JSON to the audit log, without characters that control a terminal. @throws when that fails */
function record(what: Record<string, string>): void {
  const fd = openRegularSync(audit, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT, 0o600);
  try {
    fchmodSync(fd, 0o600);
    const line = JSON.stringify({ time: new Date().toISOString(), action: 'repl', ...who, ...what });
    writeSync(fd, `${line.replace(/[\u007f-\u009f\u2028\u2029]/g, escaped)}\n`);
  } finally {
    closeSync(fd);
  }
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function say(frame: ServerFrame): void {
  client?.write(`${JSON.stringify(frame)}\n`);
}

function tell(message: ToMain): void {
  main.postMessage(message);
}

function minutes(ms: number): string {
  return ms < 60_000 ? `${ms / 1000} s` : `${ms / 60_000} minutes`;
}
