/**
 * Docker's image references: `[registry[:port]/]path[:tag][@digest]`, in the grammar of the distribution project,
 * with Docker's defaults (docker.io, library/, latest).
 */
import type { Digest } from '../lib/brands.ts';
import { TsrunError } from '../lib/errors.ts';
import { isDigest } from '../spec/image.ts';

export const DEFAULT_REGISTRY = 'docker.io';
const DEFAULT_NAMESPACE = 'library/';
const DEFAULT_TAG = 'latest';
const MAX_NAME_LENGTH = 255;

export interface Reference {
  /** Host name and port, `docker.io` when none was given. */
  readonly registry: string;
  /** Path in the registry, `library/busybox`. */
  readonly path: string;
  /** Absent only when a digest is given without a tag. */
  readonly tag?: string;
  readonly digest?: Digest;
}

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DOMAIN_LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const DOMAIN = new RegExp(`^(?:${DOMAIN_LABEL}(?:\\.${DOMAIN_LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?$`);

/** Reads a reference as a user types it. Throws IMAGE_REFERENCE_INVALID with what is wrong in it. */
export function parseReference(text: string): Reference {
  const [beforeDigest, digest] = splitDigest(text);
  const [name, givenTag] = splitTag(beforeDigest);
  if (name === '') throw malformed(text, 'it has no name');
  if (givenTag !== undefined && !TAG.test(givenTag)) {
    throw malformed(text, `the tag ${JSON.stringify(givenTag)} must be 1 to 128 letters, digits, _, . or -`);
  }
  const [registry, path] = splitRegistry(name);
  if (!DOMAIN.test(registry)) throw malformed(text, `${JSON.stringify(registry)} is not a registry host`);
  checkPath(text, path);
  if (registry.length + 1 + path.length > MAX_NAME_LENGTH) {
    throw malformed(text, `the name is longer than ${MAX_NAME_LENGTH} characters`);
  }
  const tag = givenTag ?? (digest === undefined ? DEFAULT_TAG : undefined);
  return {
    registry,
    path,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest }),
  };
}

function splitDigest(text: string): [string, Digest | undefined] {
  const at = text.indexOf('@');
  if (at < 0) return [text, undefined];
  const digest = text.slice(at + 1);
  if (!isDigest(digest)) {
    throw malformed(
      text,
      `${JSON.stringify(digest)} is not a digest (sha256: and 64 lower-case hexadecimal digits)`,
    );
  }
  return [text.slice(0, at), digest];
}

/** A colon after the last slash starts the tag; one before it belongs to a port. */
function splitTag(text: string): [string, string | undefined] {
  const colon = text.lastIndexOf(':');
  return colon > text.lastIndexOf('/') ? [text.slice(0, colon), text.slice(colon + 1)] : [text, undefined];
}

/** The first component is a registry when it looks like a host: a dot, a port, `localhost`, or upper case. */
function splitRegistry(name: string): [string, string] {
  const slash = name.indexOf('/');
  const first = name.slice(0, Math.max(slash, 0));
  const isHost = /[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first;
  const registry = slash > 0 && isHost ? first : DEFAULT_REGISTRY;
  const path = slash > 0 && isHost ? name.slice(slash + 1) : name;
  if (registry === 'index.docker.io') return withNamespace(DEFAULT_REGISTRY, path);
  return withNamespace(registry, path);
}

function withNamespace(registry: string, path: string): [string, string] {
  return [registry, registry === DEFAULT_REGISTRY && !path.includes('/') ? DEFAULT_NAMESPACE + path : path];
}

function checkPath(text: string, path: string): void {
  if (path !== path.toLowerCase()) throw malformed(text, 'a repository name must be lower case');
  const wrong = path.split('/').find((component) => !COMPONENT.test(component));
  if (wrong === undefined) return;
  throw malformed(
    text,
    wrong === ''
      ? 'it has an empty path component'
      : `the component ${JSON.stringify(wrong)} must be lower-case letters and digits, joined by one ., one or two _, or -`,
  );
}

function malformed(text: string, problem: string): TsrunError {
  return new TsrunError(
    'IMAGE_REFERENCE_INVALID',
    `Invalid image reference ${JSON.stringify(text)}: ${problem}`,
    {
      hint: 'write it as name, name:tag, registry:port/name:tag or name@sha256:…',
    },
  );
}

/** The full name, `docker.io/library/busybox:latest`: what the store's index.json holds. */
export function fullName(reference: Reference): string {
  return `${reference.registry}/${reference.path}${suffix(reference)}`;
}

/** The same repository, and the digest when there is one. */
export function withoutTag({ tag: _, ...rest }: Reference): Reference {
  return rest;
}

/** The repository as Docker shows it: `busybox`, `user/app`, `localhost:5000/app`. */
export function familiarRepository(reference: Reference): string {
  if (reference.registry !== DEFAULT_REGISTRY) return `${reference.registry}/${reference.path}`;
  const { path } = reference;
  const short = path.slice(DEFAULT_NAMESPACE.length);
  return path.startsWith(DEFAULT_NAMESPACE) && !short.includes('/') ? short : path;
}

/** The name as Docker shows it: `busybox:latest`. */
export function familiarName(reference: Reference): string {
  return familiarRepository(reference) + suffix(reference);
}

function suffix(reference: Reference): string {
  return `${reference.tag === undefined ? '' : `:${reference.tag}`}${reference.digest === undefined ? '' : `@${reference.digest}`}`;
}
