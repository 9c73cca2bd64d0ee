// Whose turn is it? An exclusive action, such as a heap dump, runs once at a time for an app, whoever wants it: a trigger, whose
// process asks the module, or a command, which asks the process. The others wait in the order in which they came.
import type { App } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import { withTimeout } from '../../shared/time.ts';

/** How long one may wait for its turn. */
export const TURN_MS = 10 * 60_000;

/** The process that a turn is for. */
export interface Taker {
  pmId: PmId;
  pid: number;
}

/** A place in the queue of an app, from when it is taken until all that is done in it is over. */
export interface Turn {
  readonly taker: Readonly<Taker>;
  /** The turn is that of another instance of the app. */
  passTo(taker: Taker): void;
  /** Something more is done in this turn, which lasts until that is over as well. */
  share(): void;
  /** It is over, or not wanted any more. Who shares the turn leaves for itself. */
  leave(): void;
}

/** The turns of all apps. */
export interface Turns {
  /**
   * Takes the last place in the queue.
   * @param begin called when its turn has come, which is at once where nobody is before it
   */
  enter(app: App, taker: Taker, begin: (turn: Turn) => void): Turn;
  /** The same for one who can wait. @returns undefined when its turn does not come within `withinMs`: then it has left */
  take(app: App, taker: Taker, withinMs: number): Promise<Turn | undefined>;
  /** Whose turn it is now. Somebody's, wherever somebody waits. */
  current(app: App): Turn | undefined;
}

interface Place {
  turn: Turn;
  begin(turn: Turn): void;
}

/** Nobody's turn yet. */
export function createTurns(): Turns {
  /** By app, none of them empty: the first place is the one whose turn it is. */
  const queues = new Map<App, Place[]>();
  return {
    enter,
    async take(app, taker, withinMs) {
      let mine: Turn | undefined;
      const begun = new Promise<Turn>((resolve) => {
        mine = enter(app, taker, resolve);
      });
      return await withTimeout(begun, withinMs, () => {
        mine?.leave();
        return undefined;
      });
    },
    current: (app) => queues.get(app)?.[0]?.turn,
  };

  function enter(app: App, first: Taker, begin: Place['begin']): Turn {
    let taker = first;
    let shares = 1;
    const turn: Turn = {
      get taker() {
        return taker;
      },
      passTo: (next) => {
        taker = next;
      },
      share: () => {
        shares++;
      },
      leave: () => {
        shares--;
        if (shares === 0) end(app, turn);
      },
    };
    const queue = queues.get(app) ?? [];
    queues.set(app, [...queue, { turn, begin }]);
    if (queue.length === 0) begin(turn);
    return turn;
  }

  function end(app: App, over: Turn): void {
    const queue = queues.get(app) ?? [];
    const rest = queue.filter(({ turn }) => turn !== over);
    const [next] = rest;
    if (next) queues.set(app, rest);
    else queues.delete(app);
    if (next !== queue[0]) next?.begin(next.turn);
  }
}
