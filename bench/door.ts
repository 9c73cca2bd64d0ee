// What the door costs a prepared app at its start: the time until the first line of its code. The module's part is answered by this
// process, with one socket, by the module's own code.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import type { AgentOptions } from '../contract/agentMessages.ts';
import { DOOR_AGENT_FILE, DOOR_FILE, DOOR_SOCKET, doorImport } from '../contract/door.ts';
import { VERSION } from '../contract/version.ts';
import { openDoorServer } from '../module/door/doorServer.ts';
import { nodeBindings, type SocketHandle } from '../shared/ipc/bindings.ts';
import { ROOT, tempFolder } from '../testkit/folders.ts';
import { type NodeBinary, nodeOf } from '../testkit/nodes.ts';
import { waitFor } from '../testkit/wait-for.ts';
import { machine } from './support/machine.ts';
import { readOptions } from './support/options.ts';
import { report, say } from './support/report.ts';
import { median, round } from './support/stats.ts';

const options = readOptions('bench:door', {
  rounds: { default: 40, help: 'starts of each kind, in turns, with another kind first each time' },
  nodes: { default: '20,24', help: 'majors of Node, separated by commas' },
});

interface Start {
  ms: number;
  cpuMs: number;
  rss: number;
}

interface Kind {
  title: string;
  execArgv: string[];
  /** Does the answer of the module bring the agent along? */
  agent: boolean;
}

const folder = join(tempFolder(), 'pm2-ops');
const door = doorImport(join(folder, DOOR_FILE));
const KINDS: Kind[] = [
  { title: 'nothing', execArgv: [], agent: false },
  { title: 'nothing, once more', execArgv: [], agent: false },
  { title: 'an empty --import', execArgv: ['--import=data:text/javascript,'], agent: false },
  { title: 'the door', execArgv: [door], agent: false },
  { title: 'the door and the agent', execArgv: [door], agent: true },
  { title: 'pm2-ops/agent', execArgv: ['--require', join(ROOT, 'dist/agent-preload.cjs')], agent: true },
];

async function main(): Promise<void> {
  const facts = machine();
  const nodes = options.nodes.split(',').flatMap((major) => nodeOf({ major: Number(major) }) ?? []);
  const answering = await openModulesPart();
  const figures: Record<string, unknown> = {};
  const sections = [];
  for (const node of nodes) {
    const starts = await measure(node, answering.answer);
    const [bare = []] = starts.values();
    const rows = [...starts].map(([title, each]) => {
      const beside = (of: (start: Start) => number) => median(each.map((start, at) => of(start) / of(bare[at]!)));
      const row = {
        ms: round(median(each.map(({ ms }) => ms)), 1),
        ratio: round(beside(({ ms }) => ms)),
        cpuRatio: round(beside(({ cpuMs }) => cpuMs)),
        moreMs: round(median(each.map(({ ms }, at) => ms - bare[at]!.ms)), 1),
        moreRssMb: round(median(each.map(({ rss }, at) => rss - bare[at]!.rss)) / 2 ** 20, 1),
      };
      return [title, row] as const;
    });
    figures[`Node ${node.major}`] = Object.fromEntries(rows);
    sections.push({
      title: `Until the first line of the app, on Node ${node.version}`,
      head: ['before the app', 'median', 'beside nothing', 'CPU beside nothing', 'more time', 'more memory'],
      rows: rows.map(([title, { ms, ratio, cpuRatio, moreMs, moreRssMb }]) => [
        title,
        `${ms} ms`,
        String(ratio),
        String(cpuRatio),
        `${moreMs} ms`,
        `${moreRssMb} MB`,
      ]),
    });
  }
  answering.close();
  report({ name: 'door', machine: facts, options, sections, goals: [], figures });
}

/** @param answer has the module's part answer as that kind needs it */
async function measure(node: NodeBinary, answer: (kind: Kind) => void): Promise<Map<string, Start[]>> {
  const starts = new Map<string, Start[]>(KINDS.map(({ title }) => [title, []]));
  for (let at = 0; at < options.rounds; at++) {
    const first = at % KINDS.length;
    for (const kind of [...KINDS.slice(first), ...KINDS.slice(0, first)]) {
      answer(kind);
      starts.get(kind.title)!.push(await start(node, kind));
    }
    if ((at + 1) % 10 === 0) say(`Node ${node.major}: ${at + 1} of ${options.rounds} rounds`);
  }
  return starts;
}

async function start({ path }: NodeBinary, { execArgv }: Kind): Promise<Start> {
  const script = join(ROOT, 'bench/apps/boots.cjs');
  const env = { ...process.env, pm_id: '0', PM2_HOME: join(folder, '..') };
  const child = fork(script, { execPath: path, execArgv, env });
  const heard = new Promise<Start>((resolve) => {
    child.on('message', (message: Partial<Start>) => {
      if (message.cpuMs !== undefined) resolve(message as Start);
    });
  });
  const ended = once(child, 'exit');
  const began = await Promise.race([heard, ended.then(() => Promise.reject(new Error('it ended, and said nothing')))]);
  child.kill('SIGKILL');
  await ended;
  return began;
}

async function openModulesPart() {
  mkdirSync(folder, { mode: 0o700 });
  for (const each of [DOOR_FILE, DOOR_AGENT_FILE]) copyFileSync(join(ROOT, 'dist', each), join(folder, each));
  const path = join(folder, DOOR_SOCKET);
  const bindings = nodeBindings();
  if (!bindings) throw new Error('this Node passes no sockets');
  const held = createServer().listen(0, '127.0.0.1');
  await once(held, 'listening');
  const handle = (held as unknown as { _handle: SocketHandle })._handle;
  const agent: AgentOptions = {
    ...{ version: VERSION, stateDir: folder, leaseFile: process.execPath, leaseMs: 2 ** 33, takenActions: [] },
    ...{ maxMemoryRestart: 0, killTimeoutMs: 1600, graceful: 'auto', dumpKeep: 5, dumpMaxBytes: 2 ** 31 },
  };
  let kind = KINDS[0]!;
  const handlers = {
    limitMs: 30_000,
    take: () => ({
      held: new Map([['127.0.0.1:1', handle]]),
      ...(kind.agent ? { agent } : {}),
    }),
    put: () => undefined,
    leave: () => {},
  };
  const server = openDoorServer(path, bindings, handlers, (error) => {
    throw error;
  });
  await waitFor(() => existsSync(path), { what: 'the door' });
  return {
    answer(next: Kind): void {
      kind = next;
    },
    close(): void {
      server.close();
      held.close();
    },
  };
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
