// An app is a namespace and a name: two apps in two namespaces may have the same name, and have nothing to do with each other.

/** PM2's namespace of an app that names none. */
export const DEFAULT_NAMESPACE = 'default';

/** The part of a process that says which app it belongs to. */
export interface OfApp {
  /** PM2's; `default` where the app names none. */
  namespace: string;
  name: string;
}

/** An app's identity: for comparing and as a key, not for reading. */
export type App = string & { readonly isApp: unique symbol };

/** The app that a process belongs to. */
export function appOf({ namespace, name }: OfApp): App {
  // Both may hold any character, so no separator would keep them apart.
  return JSON.stringify([namespace, name]) as App;
}

/** The name for a person, who may type it as a target: `web`, or `blue:web` outside of PM2's default namespace. */
export function titleOf({ namespace, name }: OfApp): string {
  return namespace === DEFAULT_NAMESPACE ? name : `${namespace}:${name}`;
}
