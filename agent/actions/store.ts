// Where the files of this process go: below the module's folder, under the names that PM2 knows the process by.
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
