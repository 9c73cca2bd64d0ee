import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { ROOT, tempFolder } from '../../testkit/folders.ts';
import { run } from '../../testkit/run.ts';

const COMMAND = join(ROOT, 'dist', 'cli.mjs');
const init = (cwd: string, ...args: string[]) =>
  run(process.execPath, [COMMAND, 'init', ...args], { cwd, env: cleanEnvironment() });
const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

describe('pm2-ops init', () => {
  it('makes a service that bears its name and its port everywhere', async () => {
    const folder = tempFolder();
    const { code, stdout, stderr } = await init(folder, 'my-service', '--port', '4100', '--no-install');
    assert.equal(code, 0, stderr);
    const service = join(folder, 'my-service');
    const { name, license } = JSON.parse(readFileSync(join(service, 'package.json'), 'utf8'));
    assert.deepEqual({ name, license }, { name: 'my-service', license: 'UNLICENSED' });
    const lock = JSON.parse(readFileSync(join(service, 'package-lock.json'), 'utf8'));
    assert.deepEqual(
      [lock.name, lock.packages[''].name, lock.packages[''].license],
      ['my-service', 'my-service', 'UNLICENSED'],
    );
    const [app] = createRequire(COMMAND)(join(service, 'ecosystem.config.cjs')).apps;
    assert.deepEqual([app.name, app.cwd, app.env.PORT], ['my-service', service, '4100']);
    assert.match(readFileSync(join(service, 'nginx', 'my-service.conf'), 'utf8'), /server 127\.0\.0\.1:4100 /);
    // A copy of this package may be there, in a compressed file.
    for (const file of filesIn(service).filter((file) => !file.endsWith('.tgz')))
      assert.doesNotMatch(
        file + readFileSync(file, 'utf8').replaceAll(/"integrity": .*/g, ''),
        /app[-_]template|\b3000\b/,
        file,
      );
    assert.equal(
      readFileSync(join(service, '.gitignore'), 'utf8'),
      readFileSync(join(ROOT, 'app-template', '.gitignore'), 'utf8'),
    );
    assert.match(stdout, /^ {2}cd my-service\n {2}npm ci && npm run build\n {2}npm test\n/m);
    assert.match(stdout, /curl localhost:4100\/health\/ready\n {2}pm2 reload my-service /);
  });

  it('takes an empty folder that is there already, and a name that is not the folder’s', async () => {
    const folder = tempFolder();
    const { code, stdout, stderr } = await init(folder, '.', '--name', 'shop_2', '--no-install');
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).name, 'shop_2');
    assert.doesNotMatch(stdout, /^ {2}cd /m);
  });

  it('refuses a folder that has anything in it, or a file, and changes nothing', async () => {
    const folder = tempFolder();
    mkdirSync(join(folder, 'full'));
    writeFileSync(join(folder, 'full', '.hidden'), 'mine');
    writeFileSync(join(folder, 'file'), 'mine');
    const full = await init(folder, 'full', '--no-install');
    assert.equal(full.code, 1);
    assert.match(full.stderr, /full is not empty \(\.hidden\); nothing was changed/);
    const file = await init(folder, 'file', '--no-install');
    assert.equal(file.code, 1);
    assert.match(file.stderr, /file is a file; nothing was changed/);
    assert.deepEqual(readdirSync(folder, { recursive: true }).sort(), ['file', 'full', join('full', '.hidden')]);
  });

  it('refuses names and ports that cannot be, before it makes anything', async () => {
    const folder = tempFolder();
    for (const [args, reason] of [
      [[], /where\? for example: pm2-ops init my-service/],
      [['My Service'], /"My Service" cannot be a package's name: .*; give it one: --name my-service/],
      [['a', '--name', '../b'], /"\.\.\/b" cannot be a package's name/],
      [['a', '--name', 'pm2-ops'], /"pm2-ops" is taken/],
      [['a', '--port', '70000'], /--port must be a number from 1 to 65535, got "70000"/],
      [['a', '--port', '0x50'], /--port must be a number from 1 to 65535, got "0x50"/],
    ] as const) {
      const { code, stderr } = await init(folder, ...args);
      assert.equal(code, 2, args.join(' '));
      assert.match(stderr, reason);
    }
    assert.deepEqual(readdirSync(folder), []);
  });

  it('that fails on its way leaves everything as it was', async () => {
    // A pm2-ops whose template cannot be read to its end.
    const folder = tempFolder();
    for (const part of ['dist', 'app-template', 'empty']) mkdirSync(join(folder, part));
    copyFileSync(COMMAND, join(folder, 'dist', 'cli.mjs'));
    writeFileSync(join(folder, 'app-template', 'a.txt'), 'a');
    symlinkSync('nowhere', join(folder, 'app-template', 'z.txt'));
    for (const target of ['new/deep', 'empty']) {
      const args = [join(folder, 'dist', 'cli.mjs'), 'init', target, '--no-install'];
      const { code, stderr } = await run(process.execPath, args, { cwd: folder, env: cleanEnvironment() });
      assert.equal(code, 1);
      assert.match(stderr, /ENOENT/);
    }
    assert.ok(!existsSync(join(folder, 'new')));
    assert.deepEqual(readdirSync(join(folder, 'empty')), []);
  });

  it('that cannot install says so, and how to go on', async () => {
    const folder = tempFolder();
    // Nobody listens on port 9 (discard): npm cannot reach this registry.
    const registry = { npm_config_registry: 'http://127.0.0.1:9/', npm_config_fetch_retries: '0' };
    const { code, stderr } = await run(process.execPath, [COMMAND, 'init', 'svc'], {
      cwd: folder,
      env: cleanEnvironment({ ...registry, npm_config_cache: join(folder, 'cache') }),
    });
    assert.equal(code, 1);
    assert.match(stderr, /ECONNREFUSED[\s\S]*npm ci failed with exit code 1\n.*cd \S+svc && npm ci && npm run build/);
    assert.ok(existsSync(join(folder, 'svc', 'package.json')));
  });
});
