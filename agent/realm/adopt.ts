// Turns promises of the app's realm, which Node's own functions return, into promises of ours.

const { then } = Promise.prototype;

/**
 * A promise of this realm that settles like one of the app's realm. `await` would call the app's `then`, which may be replaced;
 * the `then` of this realm works on any real promise.
 */
export function adopt<T>(foreign: PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    try {
      Reflect.apply(then, foreign, [resolve, reject]);
    } catch {
      // No real promise: the app has replaced the function by one that makes promises of its own.
      foreign.then(resolve, reject);
    }
  });
}
