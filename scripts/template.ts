// Installs and builds app-template for a checkout: everything as its lock file says, and this checkout as its pm2-ops.

import { ensureTemplateBuilt } from '../testkit/template.ts';

ensureTemplateBuilt((text) => process.stdout.write(text)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
