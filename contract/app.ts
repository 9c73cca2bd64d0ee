// An app is a namespace and a name: two namespaces may have apps of the same name, which are different apps.

/** PM2's namespace for an app that names none. */
export const DEFAULT_NAMESPACE = 'default';

/** The part of a process that tells its app. */
export interface OfApp {
  /** PM2's namespace; `default` if the app names none. */
  namespace: string;
  name: string;
}

/** An app's identity, to compare and as a key. `titleOf` makes the text for a person. */
export type App = string & { readonly isApp: unique symbol };

/** The app that a process belongs to. */
export function appOf({ namespace, name }: OfApp): App {
  // JSON, because both may contain any character, and so any separator.
  return JSON.stringify([namespace, name]) as App;
}

/** The name for a person, who can type it as a target: `web`, or `blue:web` outside PM2's default namespace. */
export function titleOf({ namespace, name }: OfApp): string {
  return namespace === DEFAULT_NAMESPACE ? name : `${namespace}:${name}`;
}
