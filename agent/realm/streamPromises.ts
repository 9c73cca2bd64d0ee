// `node:stream/promises` for the agent, as far as it uses it: the build puts this in its place.
import * as stream from 'node:stream';

/** Resolves when everything is through. */
export function pipeline(...streams: NodeJS.ReadWriteStream[]): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.pipeline(streams, (error) => (error ? reject(error) : resolve()));
  });
}
