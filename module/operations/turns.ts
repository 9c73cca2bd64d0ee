// Gives exclusive actions their turns. Of an exclusive action, such as a heap dump, only one runs at a time for an app, both for a
// trigger, whose process asks the module, and for a command, which asks the process. The others wait in order.
import type { App } from '../../contract/app.ts';
import type { PmId } from '../../contract/pmId.ts';
import { withTimeout } from '../../shared/time.ts';

/** How long an action may wait for its turn. */
export const TURN_MS = 10 * 60_000;

/** The process that a turn is for. */
export interface Taker {
  pmId: PmId;
  pid: number;
}

/** A place in the queue of an app. The turn lasts until everything that runs in it is over. */
export interface Turn {
  readonly taker: Readonly<Taker>;
  /** Passes the turn to another instance of the app. */
  passTo(taker: Taker): void;
  /** Lets something more run in this turn, which then lasts until that is over, too. */
  share(): void;
  /** Leaves the turn, or gives up the place. Each one that shares the turn has to leave. */
  leave(): void;
}

/** The turns of all apps. */
export interface Turns {
  /**
   * Takes the last place in the queue.
   * @param begin called when its turn has come; at once if the queue is empty
   */
  enter(app: App, taker: Taker, begin: (turn: Turn) => void): Turn;
  /** Waits for its turn. @returns undefined if the turn does not come within `withinMs`; then the place is given up */
  take(app: App, taker: Taker, withinMs: number): Promise<Turn | undefined>;
  /** The turn that has come now; undefined only if the queue is empty. */
  current(app: App): Turn | undefined;
}

interface Place {
  turn: Turn;
  begin(turn: Turn): void;
}

/** Creates empty queues. */
export function createTurns(): Turns {
  /** The queues by app, none of them empty. The turn of the first place has come. */
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
