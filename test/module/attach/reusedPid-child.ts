// Attaches to a process that ends in the moment before the signal, with another one in its place that has the same pid. Runs in a
// pid namespace of its own, where it may say which pid comes next.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createAttacher } from '../../../module/attach/index.ts';
import { LOAD } from './load.ts';

const [stateDir = '', guardScript = ''] = process.argv.slice(2);

async function start(): Promise<ChildProcess & { stderrText: string }> {
  const source =
    'setInterval(() => {}, 60_000); process.send("up"); process.on("message", () => process.send("here"));';
  const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
  const app = Object.assign(child, { stderrText: '' });
  child.stderr?.on('data', (data) => {
    app.stderrText += String(data);
  });
  await once(child, 'message');
  return app;
}

async function main(): Promise<void> {
  const first = await start();
  const pid = first.pid!;
  let second: Awaited<ReturnType<typeof start>> | undefined;
  const attacher = createAttacher({
    stateDir,
    guardScript,
    log: console.error,
    onStep: async (step) => {
      if (step !== 'guarded') return;
      first.kill('SIGKILL');
      await once(first, 'exit');
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
      second = await start();
    },
  });
  const outcome = await attacher.attach(pid, LOAD);
  second?.send('there?');
  if (second) await once(second, 'message');
  console.log(JSON.stringify({ outcome, samePid: second?.pid === pid, signalled: second?.stderrText !== '' }));
  await attacher.close();
  second?.kill('SIGKILL');
  process.exit(0);
}

void main();
