// Node's diagnostic report as a file, without the environment: that is where the passwords are.
import { writeFile } from 'node:fs/promises';
import type { Actions } from '../context.ts';
import { createPartial, discard, newFile, publish } from '../files.ts';

export const report: Actions['report'] = async (_params, { options }) => {
  const file = newFile(options.stateDir, 'reports', 'json');
  const partial = createPartial(file);
  try {
    const { environmentVariables: _secret, ...rest } = collect();
    await writeFile(partial, JSON.stringify(rest, null, 2));
    return { file, bytes: await publish(partial, file) };
  } catch (error) {
    discard(partial);
    throw error;
  }
};

function collect(): Record<string, unknown> {
  // Looks every peer's name up in the DNS while the app waits, unless told not to (Node 20.13 and later).
  const settings = process.report as typeof process.report & { excludeNetwork?: boolean };
  const before = settings.excludeNetwork;
  if (before !== undefined) settings.excludeNetwork = true;
  try {
    return process.report.getReport() as unknown as Record<string, unknown>;
  } finally {
    if (before !== undefined) settings.excludeNetwork = before;
  }
}
