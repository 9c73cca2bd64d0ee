// Node's diagnostic report as a file, without the secrets that it would carry: the environment, and what the app was given
// on its command line.
import { constants } from 'node:fs';
import { createPartial, discard, newFile, pruneOwn, publish } from '../../diagnostics/files.ts';
import { openRegular } from '../../shared/files/regularFile.ts';
import type { Actions } from '../context.ts';

export const report: Actions['report'] = async (_params, { options }) => {
  const file = newFile(options.stateDir, 'reports', 'json');
  const partial = createPartial(file);
  try {
    const handle = await openRegular(partial, constants.O_WRONLY);
    try {
      await handle.writeFile(JSON.stringify(withoutSecrets(collect()), null, 2));
    } finally {
      await handle.close();
    }
    const bytes = await publish(partial, file);
    pruneOwn(options.stateDir, 'reports', options.dumpKeep, options.dumpMaxBytes);
    return { file, bytes };
  } catch (error) {
    discard(partial);
    throw error;
  }
};

interface Report {
  header?: { commandLine?: string[]; networkInterfaces?: unknown; [field: string]: unknown };
  environmentVariables?: unknown;
  /** One whole report for each worker thread, with its own environment. */
  workers?: Report[];
  [field: string]: unknown;
}

function collect(): Report {
  // Looks every peer's name up in the DNS while the app waits, unless told not to (Node 20.13 and later).
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

/** Node, its own options and the script stay; of what the app was given only the names of options do. */
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
