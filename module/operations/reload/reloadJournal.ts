// Which reloads run, on disk: a module that is killed in the middle of one finds there what it has to put right.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type App, appOf, DEFAULT_NAMESPACE } from '../../../contract/app.ts';
import type { PmId } from '../../pm2/daemon.ts';

/** A reload that has begun and is not over. */
export interface UnfinishedReload {
  /** Of the app. */
  name: string;
  namespace: string;
  /** Milliseconds of Date.now(). */
  sinceMs: number;
  /** The instances as they were. */
  old: { pmId: PmId; pid: number }[];
  /** Their keep-alive may be off. */
  patient: boolean;
  /** Where they listened, of what others can take over. */
  at?: string[];
  /** The canary's id, once PM2 has listed it. */
  canary?: PmId;
}

/** As it stands in the file: version 0.1 knew an app by its name alone. */
type Entry = Partial<Pick<UnfinishedReload, 'name' | 'namespace'>> &
  Omit<UnfinishedReload, 'name' | 'namespace'> & { app?: string };

export interface ReloadJournal {
  read(): UnfinishedReload[];
  /** @throws when the file cannot be written */
  write(reload: UnfinishedReload): void;
  clear(app: App): void;
}

/** @param folder the module's own, `$PM2_HOME/pm2-ops` */
export function createReloadJournal(folder: string): ReloadJournal {
  const file = join(folder, 'reloads.json');
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
        // What stays in it is looked at once more by the next module, and is right by then.
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

  /** Whole or not at all. */
  function save(reloads: UnfinishedReload[]): void {
    const partial = `${file}.partial`;
    writeFileSync(partial, JSON.stringify(reloads), { mode: 0o600 });
    renameSync(partial, file);
  }
}
