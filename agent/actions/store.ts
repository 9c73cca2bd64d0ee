// The place for this process's files: below the module's folder, named after the process as PM2 calls it.
import type { AgentOptions } from '../../contract/agentMessages.ts';
import { fileNameOf } from '../../diagnostics/fileNameOf.ts';
import type { Store } from '../../diagnostics/files.ts';

/** The store that the module's settings describe. */
export function storeOf({ stateDir, dumpKeep, dumpMaxBytes }: AgentOptions): Store {
  return {
    folder: stateDir,
    app: fileNameOf(process.env.name ?? 'app', process.env.namespace),
    instance: process.env.pm_id ?? 'x',
    keep: dumpKeep,
    maxBytes: dumpMaxBytes,
    keepSetting: 'pm2-ops:dump_keep',
  };
}
