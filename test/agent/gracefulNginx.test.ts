import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { isAlive } from '../../testkit/daemonProcesses.ts';
import { app, tempFolder } from '../../testkit/folders.ts';
import { startWithModule } from '../../testkit/installed.ts';
import { startLoad, untilServing } from '../../testkit/load.ts';
import type { Pm2 } from '../../testkit/pm2.ts';
import { untilAttached } from '../../testkit/status.ts';
import { freePort, waitFor } from '../../testkit/wait-for.ts';

const installed = spawnSync('nginx', ['-v']).status === 0;

describe('a reload behind nginx that keeps its connections to the app', { skip: !installed && 'no nginx here' }, () => {
  let pm2: Pm2;
  let stopNginx = () => {};
  const ports = { app: 0, nginx: 0 };

  before(async () => {
    for (const name of ['app', 'nginx'] as const) ports[name] = await freePort();
    pm2 = await startWithModule();
    await pm2.startApp({
      name: 'web',
      script: app('http.cjs'),
      exec_mode: 'cluster',
      instances: 2,
      env: { PORT: ports.app },
    });
    const folder = tempFolder();
    const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((of) => `${of}_temp_path ${folder}/${of};`);
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
      events { worker_connections 1024; }
      http {
        access_log off; ${paths.join(' ')}
        upstream app { server 127.0.0.1:${ports.app} max_fails=0; keepalive 32; }
        server {
          listen 127.0.0.1:${ports.nginx};
          location / {
            proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_next_upstream off;
          }
        }
      }`,
    );
    const nginx = spawn('nginx', ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'error.log')], {
      stdio: 'ignore',
    });
    const ended = new Promise((resolve) => nginx.once('exit', resolve));
    stopNginx = () => void (nginx.kill('SIGTERM') && ended);
    await untilServing({ port: ports.nginx });
    await untilAttached(pm2, 'web');
  });
  after(async () => {
    stopNginx();
    await pm2.kill();
  });

  it('answers every request: no 502, none hangs, though nginx may not try again', async () => {
    const load = startLoad({ port: ports.nginx, clients: 64, path: '/?ms=5', pauseMs: 5 });
    await waitFor(() => load.counts().requests > 300, { what: 'load' });
    const before = (await pm2.processes('web')).map(({ pid }) => pid);
    for (let reload = 0; reload < 2; reload++) {
      await untilAttached(pm2, 'web');
      await pm2.ok('reload', 'web');
    }
    const { failures, requests } = await load.stop();
    assert.deepEqual(failures, {}, pm2.logs('web'));
    assert.ok(requests > 1_000);
    assert.ok(before.every((pid) => !isAlive(pid)));
    assert.equal(pm2.logs('web').match(/drained in/g)?.length, 4);
  });
});
