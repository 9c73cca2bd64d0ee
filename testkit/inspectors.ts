// Who can be debugged on this host, by looking at all that listens: no test relies on what we say ourselves about what we closed.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** An inspector that anybody on this host can connect to. */
export interface OpenInspector {
  pid: number;
  port: number;
  command: string;
  /** Of its socket: the same as long as it stays open. */
  inode: string;
  /** Its process was started with `--inspect`. */
  wanted: boolean;
}

const ANSWER_MS = 1_000;
/** An attach that is under way has closed its inspector after this many milliseconds. */
const LEFT_OPEN_MS = 3_000;

/** The inspectors of all processes of this network namespace. */
export async function openInspectors(): Promise<OpenInspector[]> {
  const found = await Promise.all(
    listening().map(async (socket) => ((await isInspector(socket)) ? [describe(socket)] : [])),
  );
  return found.flat();
}

/**
 * Waits until no inspector is open but those that processes were started with.
 * @param before what was open before and is not ours
 * @param told pids of processes that were told to open one in another way than by their words
 * @throws when one stays open, naming it
 */
export async function noInspectorStaysOpen(
  before: readonly OpenInspector[] = [],
  told: readonly number[] = [],
): Promise<void> {
  const unwanted = async () =>
    (await openInspectors()).filter(
      ({ inode, pid, wanted }) => !wanted && !told.includes(pid) && !before.some((known) => known.inode === inode),
    );
  let left = await unwanted();
  for (const deadline = performance.now() + LEFT_OPEN_MS; left.length > 0 && performance.now() < deadline; ) {
    await sleep(50);
    const now = await unwanted();
    left = left.filter(({ inode }) => now.some((other) => other.inode === inode));
  }
  if (left.length === 0) return;
  const them = left.map(({ pid, port, command }) => `process ${pid} (${command}) on port ${port}`);
  throw new Error(`an inspector was left open: ${them.join('; ')}`);
}

interface Socket {
  pid: number;
  host: string;
  port: number;
  inode: string;
}

/** What Node processes other than this one listen on. */
function listening(): Socket[] {
  const sockets = ['tcp', 'tcp6'].flatMap((table) =>
    text(`/proc/self/net/${table}`)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, , , state]) => state === '0A')
      .map(([, local = '', , , , , , , , inode = '']) => ({
        host: table === 'tcp' ? '127.0.0.1' : '::1',
        port: Number.parseInt(local.split(':')[1] ?? '', 16),
        inode,
      })),
  );
  if (sockets.length === 0) return [];
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && isNode(pid))
    .flatMap((pid) => {
      const own = descriptors(pid);
      return sockets.filter(({ inode }) => own.has(`socket:[${inode}]`)).map((socket) => ({ pid, ...socket }));
    });
}

/** By its name, or a copy that a test made under another one. */
function isNode(pid: number): boolean {
  const path = link(`/proc/${pid}/exe`);
  return /^node(js)?$/.test(basename(path)) || path.startsWith(tmpdir());
}

function descriptors(pid: number): Set<string> {
  try {
    return new Set(readdirSync(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`)));
  } catch {
    return new Set();
  }
}

/** An inspector answers from a thread of its own, whatever its app does. */
function isInspector({ host, port }: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get({ host, port, path: '/json/version', agent: false, timeout: ANSWER_MS }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (part: string) => {
        body += part;
        if (body.length > 65_536) request.destroy();
      });
      response.on('end', () => resolve(/"Browser":\s*"node\.js\//.test(body)));
      response.on('close', () => resolve(false));
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

function describe({ pid, port, inode }: Socket): OpenInspector {
  const words = text(`/proc/${pid}/cmdline`).split('\0').filter(Boolean);
  const told = `${words.join(' ')} ${text(`/proc/${pid}/environ`)}`;
  return { pid, port, inode, command: words.join(' '), wanted: /--inspect(-brk|-wait)?\b(?!-)/.test(told) };
}

function text(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
