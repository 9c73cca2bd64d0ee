// The events of the module. Code that records, counts or shows them subscribes here; code that emits them does not know it.
import type { Incident } from '../../contract/alerts.ts';
import type { App } from '../../contract/app.ts';
import type { ReloadProgress } from '../../contract/commandMessages.ts';
import type { ExitReport } from '../../contract/exitReport.ts';
import type { ExitRecord } from '../../contract/exits.ts';
import type { FigureSample } from '../../contract/figures.ts';
import type { PmId } from '../../contract/pmId.ts';
import type { Reply } from '../../contract/reply.ts';
import type { ServingState } from '../../contract/standing.ts';

/** The process that an event is about, as PM2 listed it then. */
export interface Subject {
  pmId: PmId;
  pid: number;
  namespace: string;
  name: string;
}

/** Every event by its name. */
export interface ModuleEvents {
  /** The module has read PM2's list, and the fleet is up to date. */
  listed: { added: number; removed: number };
  /** PM2 no longer lists a process: it has ended, or a reload of PM2 is about to end it. */
  exited: { process: Subject };
  /** An agent of this version has answered. */
  attached: { process: Subject; agent: string };
  /** The agent of a running process has disposed of itself, on its own or because it was told to. */
  'attachment-lost': { process: Subject; reason: string };
  /** An agent has told how its process stands; `before` equals `state` if nothing has changed. */
  state: { process: Subject; state: ServingState; before: ServingState | 'unknown' };
  /** The module has found an event loop blocked. */
  blocked: { process: Subject; blockedMs: number };
  /** The module has asked a process to perform an action; then it has the reply. */
  'action-started': { process: Subject; action: string };
  'action-finished': { process: Subject; action: string; reply: Reply; ms: number };
  /** A reload run reports its progress. */
  'reload-step': { progress: ReloadProgress };
  /** A process exits that its agent drained on a signal. */
  'exit-report': { process: Subject; app: App; report: ExitReport };
  /** The cause of an exit is recorded; once more when what followed is known. */
  'exit-recorded': { record: ExitRecord };
  /** A rule has found that something is wrong, or that it is over. */
  incident: { incident: Incident };
  /** The newest figures of a process, and those read before. */
  figures: { process: Subject; sample: FigureSample; before: FigureSample | undefined };
}

type EventName = keyof ModuleEvents;
type Listener<Name extends EventName> = (event: ModuleEvents[Name]) => void | Promise<void>;

export interface Events {
  /** Subscribers hear an event in the order in which they subscribed. @returns ends the subscription */
  on<Name extends EventName>(name: Name, listener: Listener<Name>): () => void;
  /** Never throws: a subscriber that fails harms neither the others nor the emitter. */
  emit<Name extends EventName>(name: Name, event: ModuleEvents[Name]): void;
}

/** @param log gets a line about a subscriber that fails */
export function createEvents(log: (line: string) => void): Events {
  const listeners = new Map<EventName, readonly Listener<EventName>[]>();

  return {
    on(name, listener) {
      const added = listener as Listener<EventName>;
      listeners.set(name, [...(listeners.get(name) ?? []), added]);
      return () => {
        listeners.set(name, listeners.get(name)?.filter((each) => each !== added) ?? []);
      };
    },
    emit(name, event) {
      for (const listener of listeners.get(name) ?? []) {
        try {
          Promise.resolve(listener(event)).catch((error: unknown) => failed(name, error));
        } catch (error) {
          failed(name, error);
        }
      }
    },
  };

  function failed(name: EventName, error: unknown): void {
    log(`a subscriber of "${name}" failed: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** The subject of an event about a process as PM2 lists it. */
export function subjectOf({ pmId, pid, namespace, name }: Subject): Subject {
  return { pmId, pid, namespace, name };
}
