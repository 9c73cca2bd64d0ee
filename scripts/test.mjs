// Runs the tests: all, or those whose path contains an argument (scripts/test/main.ts, which is TypeScript).
import { tsImport } from 'tsx/esm/api';

const { main } = await tsImport('./test/main.ts', import.meta.url);
process.exit(await main(process.argv.slice(2)));
