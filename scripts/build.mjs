// Builds dist/: one dependency-free CommonJS file for the agent, and bundled ESM entries for everything else.

import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const pkg = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const out = (file) => join(root, 'dist', file);
const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  define: {
    PM2_OPS_VERSION: JSON.stringify(pkg.version),
    // npm packs no .gitignore, so `pm2-ops init` has it from here.
    TEMPLATE_GITIGNORE: JSON.stringify(await readFile(join(root, 'app-template', '.gitignore'), 'utf8')),
  },
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
};

/** What the agent has in place of Node's globals (agent/realm/globals.ts). */
const OWN_GLOBALS = [
  ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'],
  ...['performance', 'process'],
];
/** What code that is compiled on first use is given: a realm has none of it by itself. */
const WITHIN = ['Buffer', 'globalThis', ...OWN_GLOBALS];

/** Modules whose promises are of the app's realm: the agent has its own in their place. */
const promisesOfItsOwn = {
  name: 'promises-of-its-own',
  setup(agent) {
    for (const [id, file] of Object.entries({ 'fs/promises': 'fsPromises.ts', 'stream/promises': 'streamPromises.ts' }))
      agent.onResolve({ filter: new RegExp(`^node:${id}$`) }, () => ({
        path: join(root, 'agent', 'realm', file),
      }));
  },
};

/** The agent as a text, for the realm that `agent/realm/enter.ts` makes. */
const inARealmOfItsOwn = {
  name: 'in-a-realm-of-its-own',
  setup(door) {
    door.onResolve({ filter: /^pm2-ops:agent-source$/ }, ({ path }) => ({ path, namespace: 'realm' }));
    door.onLoad({ filter: /.*/, namespace: 'realm' }, async () => {
      const { outputFiles, metafile } = await build({
        ...common,
        minifySyntax: true,
        minifyWhitespace: true,
        entryPoints: ['agent/index.ts'],
        inject: ['agent/realm/globals.ts'],
        format: 'cjs',
        write: false,
        plugins: [promisesOfItsOwn, compiledOnFirstUse],
      });
      if (Object.keys(metafile.inputs).some((input) => input.includes('node_modules')))
        throw new Error('the agent must have no dependency');
      return { contents: outputFiles[0].text, loader: 'text' };
    });
  },
};

/**
 * Keeps what agent/actions/lazy.ts imports as a text in the bundle, compiled on first use: V8 takes a fraction of the time
 * to pass over a text that it takes to parse code. What both parts must share is handed over.
 */
const compiledOnFirstUse = {
  name: 'compiled-on-first-use',
  setup(agent) {
    const shared = join(root, 'contract', 'errors.ts');
    agent.onResolve({ filter: /\/lazy\.ts$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path),
      namespace: 'lazy',
    }));
    agent.onLoad({ filter: /.*/, namespace: 'lazy' }, async ({ path }) => {
      const { minifySyntax, minifyWhitespace } = agent.initialOptions;
      const { outputFiles, metafile } = await build({
        ...common,
        minifySyntax,
        minifyWhitespace,
        entryPoints: [path],
        format: 'cjs',
        write: false,
        plugins: [
          promisesOfItsOwn,
          {
            name: 'shared',
            setup: (part) =>
              part.onResolve({ filter: /\/errors\.ts$/ }, () => ({ path: 'pm2-ops:errors', external: true })),
          },
        ],
      });
      if (Object.keys(metafile.inputs).some((input) => input.includes('node_modules')))
        throw new Error('what the agent compiles on first use must have no dependency');
      return {
        resolveDir: dirname(path),
        watchFiles: Object.keys(metafile.inputs),
        contents: `
          const code = ${JSON.stringify(outputFiles[0].text)};
          const compiled = run('(function (module, exports, require, ${WITHIN.join(', ')}) {' + code + '\\n})', 'pm2-ops:agent');
          const load = (id) => (id === 'pm2-ops:errors' ? require(${JSON.stringify(shared)}) : require(id));
          compiled(module, module.exports, load, ${WITHIN.join(', ')});
        `,
      };
    });
  },
};

/** Tells an ES module its own file (diagnostics/frames.ts); in a bundle of the app's it has none. */
const ownFile = {
  js: "import { fileURLToPath as __pathOf } from 'node:url'; const __filename = import.meta?.url ? __pathOf(import.meta.url) : undefined;",
};

/** What is built: source, file in dist/, format. */
const entries = [
  {
    source: 'agent/realm/injected.ts',
    logOverride: { 'commonjs-variable-in-esm': 'silent' },
    file: 'agent.cjs',
    format: 'cjs',
    minifySyntax: true,
    minifyWhitespace: true,
    selfContained: true,
    plugins: [inARealmOfItsOwn],
    // AGENT_URL of contract/names.ts: it is evaluated without a file.
    footer: { js: '//# sourceURL=pm2-ops:agent' },
  },
  {
    source: 'agent/preload.ts',
    file: 'agent-preload.cjs',
    format: 'cjs',
    selfContained: true,
    plugins: [inARealmOfItsOwn],
  },
  { source: 'agent/repl/main.ts', file: 'repl.cjs', format: 'cjs', minifySyntax: true, selfContained: true },
  { source: 'agent/repl/worker.ts', file: 'repl-worker.cjs', format: 'cjs', minifySyntax: true, selfContained: true },
  { source: 'module/attach/guard.ts', file: 'guard.cjs', format: 'cjs', minifySyntax: true },
  { source: 'module/main.ts', file: 'main.mjs', format: 'esm' },
  { source: 'cli/index.ts', file: 'cli.mjs', format: 'esm', executable: true },
  { source: 'lifecycle/index.ts', file: 'lifecycle.mjs', format: 'esm', selfContained: true },
  { source: 'lifecycle/index.ts', file: 'lifecycle.cjs', format: 'cjs', selfContained: true },
  { source: 'maintenance/index.ts', file: 'maintenance.mjs', format: 'esm', selfContained: true, banner: ownFile },
  { source: 'maintenance/index.ts', file: 'maintenance.cjs', format: 'cjs', selfContained: true },
];

// A CommonJS dependency inside an ESM bundle still calls require for Node's built-in modules.
const requireForBundledCommonJs = {
  js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
};

await rm(join(root, 'dist'), { recursive: true, force: true });
await mkdir(join(root, 'dist'), { recursive: true });
const bundledPackages = new Set();
for (const { source, file, format, selfContained, executable, ...options } of entries) {
  const result = await build({
    ...common,
    ...options,
    entryPoints: [source],
    outfile: out(file),
    format,
    ...(format === 'esm' && !selfContained ? { banner: requireForBundledCommonJs } : {}),
  });
  const packages = Object.keys(result.metafile.inputs).flatMap(
    (input) => input.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? [],
  );
  if (selfContained && packages.length > 0)
    throw new Error(`${file} must have no dependency, but bundles ${[...new Set(packages)]}`);
  for (const name of packages) bundledPackages.add(name);
  if (executable) await chmod(out(file), 0o755);
}

// Loading it is all there is to it.
await writeFile(out('agent-preload.d.cts'), 'export {};\n');
for (const room of ['lifecycle', 'maintenance']) await declareTypes(room);

const notices = [];
for (const name of [...bundledPackages].sort()) {
  const folder = join(root, 'node_modules', name);
  const { version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
  const file = ['LICENSE', 'LICENSE.md', 'license', 'LICENSE.txt']
    .map((f) => join(folder, f))
    .find((f) => existsSync(f));
  if (!file) throw new Error(`no licence text found for ${name}, which dist/ bundles`);
  notices.push(`${name} ${version} (${license})\n\n${await readFile(file, 'utf8')}`);
}
await writeFile(out('THIRD_PARTY_LICENSES.txt'), notices.join(`\n${'-'.repeat(80)}\n\n`));

/** Writes the types of a room that apps import: those of its entry, and of its types.ts if there is one, in one file. */
async function declareTypes(room) {
  const folder = out('types');
  execFileSync(process.execPath, [
    join(root, 'node_modules', 'typescript', 'bin', 'tsc'),
    ...['-p', join(root, room, 'tsconfig.declarations.json'), '--outDir', folder],
  ]);
  const read = (file) => readFile(join(folder, room, file), 'utf8').catch(() => '');
  const entry = (await read('index.d.ts')).replace(
    /^(?:import|export) type \{[^}]*\} from '\.\/types\.[jt]s';\n/gm,
    '',
  );
  const types = (await read('types.d.ts')) + entry;
  for (const kind of ['mts', 'cts']) await writeFile(out(`${room}.d.${kind}`), types);
  await rm(folder, { recursive: true });
}
