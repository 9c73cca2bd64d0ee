// The nearest lock file would tell Next.js another root.
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
export default { outputFileTracingRoot: root, turbopack: { root } };
