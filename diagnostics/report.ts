// Node's diagnostic report as a file, without the secrets that it would carry: the environment, and what the app was given
// on its command line.
import { constants } from 'node:fs';
import { openRegular } from '../shared/files/regularFile.ts';
import { createPartial, discard, newFile, pruneOwn, publish, type Store } from './files.ts';

/** Writes the report, and removes the oldest ones of this instance. */
export async function writeReport(store: Store): Promise<{ file: string; bytes: number }> {
  const file = newFile(store, 'reports', 'json');
  const partial = createPartial(file);
  try {
    const handle = await openRegular(partial, constants.O_WRONLY);
    try {
      await handle.writeFile(JSON.stringify(withoutSecrets(collect()), null, 2));
    } finally {
      await handle.close();
    }
    const bytes = await publish(partial, file);
    pruneOwn(store, 'reports');
    return { file, bytes };
  } catch (error) {
    discard(partial);
    throw error;
  }
}

interface Report {
  header?: { commandLine?: string[]; networkInterfaces?: unknown; [field: string]: unknown };
  environmentVariables?: unknown;
  /** One whole report for each worker thread, with its own environment. */
  workers?: Report[];
  [field: string]: unknown;
}

function collect(): Report {
  // Without it Node looks up the name of every peer in the DNS while the app waits (the setting came with Node 20.13).
  const settings = process.report as typeof process.report & { excludeNetwork?: boolean };
  const before = settings.excludeNetwork;
  if (before !== undefined) settings.excludeNetwork = true;
  try {
    return process.report.getReport() as unknown as Report;
  } finally {
    if (before !== undefined) settings.excludeNetwork = before;
  }
}

function withoutSecrets({ environmentVariables: _secret, header, workers, ...rest }: Report): Report {
  const { networkInterfaces: _addresses, commandLine = [], ...head } = header ?? {};
  return {
    header: { ...head, commandLine: withoutValues(commandLine) },
    ...rest,
    ...(workers ? { workers: workers.map(withoutSecrets) } : {}),
  };
}

const REMOVED = '(removed)';

/** Keeps Node, its own options and the script; of the app's own arguments it keeps the names of options only. */
function withoutValues(commandLine: string[]): string[] {
  const own = 2 + process.execArgv.length;
  return commandLine.map((argument, index) => {
    // `--import` and its like may hold a URL with a password.
    if (index < own) return argument.replace(/\/\/[^/@\s]+@/g, `//${REMOVED}@`);
    const [, name, value] = /^(--?[A-Za-z][\w.-]*)(=.*)?$/s.exec(argument) ?? [];
    if (name === undefined) return REMOVED;
    // `-psecret` is a value behind a name of one letter.
    if (!name.startsWith('--') && name.length > 2) return REMOVED;
    return value === undefined ? name : `${name}=${REMOVED}`;
  });
}
