// The reloads that run, on disk: after a module was killed in the middle of one, the next module reads here what to put right.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, appOf, DEFAULT_NAMESPACE } from '../../../contract/app.ts';
import { RELOADS_FILE } from '../../../contract/names.ts';
import type { PmId } from '../../../contract/pmId.ts';

/** A reload that has begun and is not over. */
export interface UnfinishedReload {
  /** The app's. */
  name: string;
  namespace: string;
  /** In the time of Date.now(). */
  sinceMs: number;
  /** The instances as they were. */
  old: { pmId: PmId; pid: number }[];
  /** Their keep-alive may be off. */
  patient: boolean;
  /** Where they listened, of the addresses that others can take over. */
  at?: string[];
  /** The canary's id, once PM2 has listed it. */
  canary?: PmId;
}

/** As it stands in the file: version 0.1 knew an app by its name alone. */
type Entry = Partial<Pick<UnfinishedReload, 'name' | 'namespace'>> &
  Omit<UnfinishedReload, 'name' | 'namespace'> & { app?: string };

/** The file of all unfinished reloads. */
export interface ReloadJournal {
  read(): UnfinishedReload[];
  /** @throws when the file cannot be written */
  write(reload: UnfinishedReload): void;
  clear(app: App): void;
}

/** The entry of one run. */
export interface RunEntry {
  /** @param canary its id, once PM2 has listed it */
  write(canary?: PmId): void;
  clear(): void;
}

/**
 * @param entry the part of the entry that is known when it is first written
 * @param failed tells why an entry could not be written
 */
export function createRunEntry(
  journal: ReloadJournal,
  entry: () => Omit<UnfinishedReload, 'sinceMs' | 'canary'>,
  failed: (error: Error) => void,
): RunEntry {
  let sinceMs: number | undefined;
  return {
    write(canary) {
      sinceMs ??= Date.now();
      try {
        journal.write({ ...entry(), sinceMs, ...(canary === undefined ? {} : { canary }) });
      } catch (error) {
        failed(error as Error);
      }
    },
    clear: () => journal.clear(appOf(entry())),
  };
}

/** @param folder the module's own, `$PM2_HOME/pm2-ops` */
export function createReloadJournal(folder: string): ReloadJournal {
  const file = join(folder, RELOADS_FILE);
  const others = (app: App) => read().filter((reload) => appOf(reload) !== app);
  return {
    read,
    write: (reload) => save([...others(appOf(reload)), reload]),
    clear(app) {
      try {
        const left = others(app);
        if (left.length > 0) save(left);
        else rmSync(file, { force: true });
      } catch {
        // The next module looks at an entry that stays once more, and finds all as it should be.
      }
    },
  };

  function read(): UnfinishedReload[] {
    try {
      const reloads: unknown = JSON.parse(readFileSync(file, 'utf8'));
      if (!Array.isArray(reloads)) return [];
      return (reloads as Entry[])
        .filter(({ old }) => Array.isArray(old))
        .map(({ app = '', name = app, namespace = DEFAULT_NAMESPACE, ...rest }) => ({ ...rest, name, namespace }));
    } catch {
      return [];
    }
  }

  /** Writes the whole file or nothing of it. */
  function save(reloads: UnfinishedReload[]): void {
    const partial = `${file}.partial`;
    writeFileSync(partial, JSON.stringify(reloads), { mode: 0o600 });
    renameSync(partial, file);
  }
}
