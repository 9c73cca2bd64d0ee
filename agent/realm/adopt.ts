// Promises of the app's realm, as Node's own functions return them, made into ours.

const { then } = Promise.prototype;

/**
 * A promise of this realm that settles as one of the app's realm does. `await` would call that one's `then`, which the app may
 * have replaced; ours works on any real promise.
 */
export function adopt<T>(foreign: PromiseLike<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    try {
      Reflect.apply(then, foreign, [resolve, reject]);
    } catch {
      // No real promise: whoever has replaced the function makes promises of its own.
      foreign.then(resolve, reject);
    }
  });
}
