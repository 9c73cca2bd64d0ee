// Debian's real nginx with a site of ours, started for a test.

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { tempFolder } from '../../testkit/folders.ts';
import { waitFor } from '../../testkit/wait-for.ts';

/** Why it cannot run here; false where it can. */
export const nginxMissing = spawnSync('nginx', ['-v']).status !== 0 && 'no nginx here';

export interface Nginx {
  errorLog(): string;
  stop(): Promise<void>;
}

/** @param site the text of a file in sites-enabled @param isUp tells when it serves */
export async function startNginx(site: string, isUp: () => Promise<unknown>): Promise<Nginx> {
  const folder = tempFolder('po-nginx-');
  const errors = join(folder, 'error.log');
  const file = join(folder, 'nginx.conf');
  mkdirSync(join(folder, 'sites-enabled'));
  writeFileSync(join(folder, 'sites-enabled', 'site.conf'), site);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`);
  // Its workers read the site's files as the user that runs the test.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  writeFileSync(
    file,
    `daemon off; ${user} worker_processes 2; pid ${folder}/pid; error_log ${errors};
    events { worker_connections 1024; }
    http { access_log off; ${paths.join(' ')} include /etc/nginx/mime.types; include ${folder}/sites-enabled/*; }`,
  );
  const child = spawn('nginx', ['-c', file, '-e', errors], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  process.once('exit', () => child.kill('SIGTERM'));
  const errorLog = () => {
    try {
      return readFileSync(errors, 'utf8');
    } catch {
      return '';
    }
  };
  const stop = () => {
    child.kill('SIGTERM');
    return ended;
  };
  try {
    await waitFor(isUp, { what: 'nginx to serve', timeoutMs: 20_000, context: errorLog });
  } catch (error) {
    await stop();
    throw error;
  }
  return { errorLog, stop };
}
