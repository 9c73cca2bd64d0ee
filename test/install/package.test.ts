import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, it } from 'node:test';
import { cleanEnvironment } from '../../testkit/environment.ts';
import { ROOT, tempFolder, WORKSPACE } from '../../testkit/folders.ts';
import { isPacked, manifest, packModule } from '../../testkit/package.ts';
import { runOk } from '../../testkit/run.ts';

const DOCS = /^((README|CHANGELOG|SECURITY)\.md|LICENSE|docs\/([\w-]+\.md|guides\/[\w-]+\.md|pictures\/\w+\.svg))$/;

const SERVICE = `import { createServer } from 'node:http';
import { type Readiness, type Resource, type Service, type ServiceOptions, startService } from 'pm2-ops/lifecycle';
const database: Resource = { name: 'database', open: async () => {}, check() {}, close: () => {} };
const options: ServiceOptions = { resources: [database], listen: () => createServer().listen(0, '127.0.0.1') };
void startService(options).then(async (service: Service) => {
  const { state }: Readiness = await service.readiness();
  console.log(state);
  await service.stop('the end');
  // @ts-expect-error
  service.start();
}).catch(() => {});
`;

const ROUTES = `import { createServer } from 'node:http';
import { maintenance, type MaintenanceOptions } from 'pm2-ops/maintenance';
const options: MaintenanceOptions = { token: 'x'.repeat(16), folder: 'ops', path: '/ops', status: () => ({ state: 'serving' }) };
const server = createServer(maintenance(options)).listen(0, '127.0.0.1', async () => {
  const { port } = server.address() as { port: number };
  const answer = await fetch(\`http://127.0.0.1:\${port}/ops/status\`, { headers: { authorization: 'Bearer ' + options.token } });
  console.log(((await answer.json()) as { state: string }).state);
  server.close();
  server.closeAllConnections();
});
// @ts-expect-error
export const wrong = () => maintenance({ folder: 1 });
`;

describe('the package', () => {
  it('holds what users need, and nothing else', async () => {
    const tarball = await packModule();
    const { stdout } = await runOk('tar', ['-tzf', tarball]);
    const files = stdout
      .trim()
      .split('\n')
      .map((file) => file.replace(/^package\//, ''));
    const template = templateFiles();
    const unexpected = files.filter(
      (file) =>
        file !== 'package.json' &&
        !DOCS.test(file) &&
        file !== 'docs/rules.schema.json' &&
        !template.includes(file) &&
        !/^dist\/[\w.-]+\.([cm]js|d\.[cm]ts|txt)$/.test(file),
    );
    assert.deepEqual(unexpected, []);
    for (const file of ['dist/main.mjs', 'dist/agent.cjs', 'dist/cli.mjs', 'dist/guard.cjs'])
      assert.ok(files.includes(file), `${file} is in the package`);
    for (const file of [
      'README.md',
      'docs/reference.md',
      'docs/guides/reload.md',
      'docs/pictures/demo.svg',
      'docs/rules.schema.json',
    ])
      assert.ok(files.includes(file), `${file} is in the package`);
    for (const file of template) assert.ok(files.includes(file), `${file} is in the package`);
    assert.ok(statSync(tarball).size < 2 * 2 ** 20, 'smaller than 2 MiB');
  });

  it('has a template that depends on this very version', () => {
    const read = (file: string) => JSON.parse(readFileSync(join(ROOT, 'app-template', file), 'utf8'));
    const { version } = manifest;
    assert.equal(read('package.json').dependencies['pm2-ops'], `^${version}`);
    const { packages } = read('package-lock.json');
    assert.equal(packages[''].dependencies['pm2-ops'], `^${version}`);
    assert.deepEqual(packages['node_modules/pm2-ops'], {
      version,
      license: manifest.license,
      bin: manifest.bin,
      engines: manifest.engines,
    });
  });

  it('brings no other package along', () => {
    assert.deepEqual(manifest.dependencies ?? {}, {});
  });

  for (const [what, name, source, prints] of [
    [
      'services the lifecycle',
      'lifecycle',
      SERVICE,
      /^serving on 127\.0\.0\.1:\d+ .*\nserving\nthe end: drained in \d+ ms: .*\n$/,
    ],
    ['apps the maintenance routes', 'maintenance', ROUTES, /^serving\n$/],
  ] as const)
    it(`gives ${what}, with types, as a module and by require`, async () => {
      const folder = tempFolder('po-types-');
      const own = join(folder, 'node_modules', 'pm2-ops');
      mkdirSync(own, { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', '@types'), join(folder, 'node_modules', '@types'));
      await runOk('tar', ['-xzf', await packModule(), '-C', own, '--strip-components', '1']);
      for (const kind of ['mts', 'cts']) {
        const types = readFileSync(join(own, 'dist', `${name}.d.${kind}`), 'utf8');
        assert.doesNotMatch(types, /from '(?!node:)/, 'the types stand for themselves');
        writeFileSync(join(folder, `app.${kind}`), source);
      }
      const tsc = [join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc'), '--strict', '--module', 'nodenext'];
      const target = ['--target', 'es2022', '--types', 'node', '--outDir', 'out', 'app.mts', 'app.cts'];
      await runOk(process.execPath, [...tsc, ...target], { cwd: folder, env: cleanEnvironment() });
      for (const file of ['out/app.mjs', 'out/app.cjs']) {
        const { stdout } = await runOk(process.execPath, [file], { cwd: folder, env: cleanEnvironment() });
        assert.match(stdout, prints);
      }
    });

  it('passes publint', async () => {
    const tarball = await packModule();
    const folder = tempFolder('po-publint-');
    await runOk('tar', ['-xzf', tarball, '-C', folder]);
    const publint = join(WORKSPACE, 'node_modules', 'publint', 'src', 'cli.js');
    const { stdout } = await runOk(
      process.execPath,
      [publint, join(folder, 'package'), '--strict', '--level', 'warning', '--pack', 'false'],
      {
        env: cleanEnvironment(),
      },
    );
    assert.match(stdout, /All good/);
  });
});

/** The template's files in this checkout, but what is installed or built there. */
function templateFiles(): string[] {
  const copy = join(tempFolder(), 'app-template');
  cpSync(join(ROOT, 'app-template'), copy, { recursive: true, filter: isPacked });
  return readdirSync(copy, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join('app-template', relative(copy, entry.parentPath), entry.name));
}
