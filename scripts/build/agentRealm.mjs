// The agent's bundle: a text that runs in a realm of its own, with the rarely used part compiled on first use.

import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { common, root } from './common.mjs';

/** The agent's own versions of Node's globals (agent/realm/globals.ts). */
const OWN_GLOBALS = [
  ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'],
  ...['performance', 'process'],
];
/** Code that is compiled on first use gets these as parameters: a realm has none of them by itself. */
const WITHIN = ['Buffer', 'globalThis', ...OWN_GLOBALS];

/** Replaces modules whose promises belong to the app's realm by the agent's own. */
const promisesOfItsOwn = {
  name: 'promises-of-its-own',
  setup(agent) {
    for (const [id, file] of Object.entries({ 'fs/promises': 'fsPromises.ts', 'stream/promises': 'streamPromises.ts' }))
      agent.onResolve({ filter: new RegExp(`^node:${id}$`) }, () => ({
        path: join(root, 'agent', 'realm', file),
      }));
  },
};

/**
 * Keeps the imports of agent/actions/lazy.ts as a text in the bundle, which is compiled on first use: V8 skips a text in a fraction
 * of the time that it takes to parse code. Both parts must share the classes of contract/errors.ts, so the text gets them handed over.
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

/** How the agent is bundled: a script for a realm that has `require`, `process`, `Buffer`, `run` and the app's `globalThis`. */
export const agentScript = {
  source: 'agent/index.ts',
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  inject: ['agent/realm/globals.ts'],
  plugins: [promisesOfItsOwn, compiledOnFirstUse],
};

/** Bundles the agent as a text, for the realm that `agent/realm/enter.ts` makes. */
export const inARealmOfItsOwn = {
  name: 'in-a-realm-of-its-own',
  setup(door) {
    door.onResolve({ filter: /^pm2-ops:agent-source$/ }, ({ path }) => ({ path, namespace: 'realm' }));
    door.onLoad({ filter: /.*/, namespace: 'realm' }, async () => {
      const { source, ...options } = agentScript;
      const { outputFiles } = await build({ ...common, ...options, entryPoints: [source], write: false });
      return { contents: outputFiles[0].text, loader: 'text' };
    });
  },
};
