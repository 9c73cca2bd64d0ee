// A real npm registry (verdaccio) on loopback, so that `pm2 install pm2-ops` is tested by name.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cleanEnvironment, npmSettings } from '../../testkit/environment.ts';
import { releaseFolder, tempFolder, WORKSPACE } from '../../testkit/folders.ts';
import { nodeOf } from '../../testkit/nodes.ts';
import { runOk } from '../../testkit/run.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

export interface Registry {
  /** `http://127.0.0.1:PORT/` */
  url: string;
  /** `npm publish` of a packed file. */
  publish(tarball: string): Promise<void>;
  stop(): Promise<void>;
}

/** Verdaccio asks for at least this Node. */
const VERDACCIO_NODE = 22;
const running = new Set<ChildProcess>();

/** Starts an empty registry: anybody may publish pm2-ops, everything else comes from the caller's own registry. */
export async function startRegistry(): Promise<Registry> {
  const node = nodeOf({ atLeast: VERDACCIO_NODE });
  if (!node) throw new Error(`the test registry needs Node ${VERDACCIO_NODE} or newer`);
  const folder = tempFolder('po-registry-');
  const url = `http://127.0.0.1:${await freePort()}/`;
  await writeConfig(folder);
  let log = '';
  const child = spawn(node.path, [verdaccioBin(), '--config', join(folder, 'config.yaml'), '--listen', url], {
    env: cleanEnvironment({ HOME: folder }),
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(child);
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      log += text;
    });
  const stop = () =>
    new Promise<void>((resolve) => {
      running.delete(child);
      const done = () => {
        releaseFolder(folder);
        resolve();
      };
      if (child.exitCode !== null || child.signalCode !== null) return done();
      child.once('exit', done);
      child.kill('SIGKILL');
    });
  try {
    await waitFor(async () => (await fetch(new URL('-/ping', url))).ok, {
      what: 'the test registry to answer',
      timeoutMs: 30_000,
      context: () => log,
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, publish: (tarball) => publish(url, folder, tarball), stop };
}

function verdaccioBin(): string {
  return join(WORKSPACE, 'node_modules', 'verdaccio', 'bin', 'verdaccio');
}

async function writeConfig(folder: string): Promise<void> {
  const { registry } = await npmSettings();
  mkdirSync(join(folder, 'storage'));
  writeFileSync(
    join(folder, 'config.yaml'),
    `storage: ${join(folder, 'storage')}
auth:
  htpasswd:
    file: ${join(folder, 'htpasswd')}
uplinks:
  caller:
    url: ${registry}
packages:
  pm2-ops:
    access: $all
    publish: $all
  '**':
    access: $all
    proxy: caller
log: { type: stdout, format: pretty, level: warn }
`,
  );
}

/** npm refuses to publish without any token; the registry takes anybody. */
async function publish(url: string, folder: string, tarball: string): Promise<void> {
  const npmrc = join(folder, 'npmrc');
  writeFileSync(npmrc, `registry=${url}\n${url.replace('http:', '')}:_authToken=anybody\n`);
  await runOk('npm', ['publish', tarball, '--registry', url, '--userconfig', npmrc], {
    env: cleanEnvironment({ HOME: folder }),
    cwd: folder,
    timeoutMs: 60_000,
  });
}

process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
