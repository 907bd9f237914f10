/** Which of several images is the one for a machine. Operating system, architecture and variant are Go's words for them. */
import { hostArchitecture } from '../image/platform.ts';
import { TsrunError } from '../lib/errors.ts';
import type { Descriptor, Platform } from '../spec/image.ts';

export type { Platform } from '../spec/image.ts';

/** Other words for an architecture, as containerd's platforms package takes them. */
const ALIASES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  i386: '386',
  i486: '386',
  i586: '386',
  i686: '386',
  aarch64: 'arm64',
  armhf: 'arm/v7',
  armel: 'arm/v6',
};
/** Variants from the newest to the oldest; a processor runs what was made for an older one. What names none is of the one in the middle. */
const VARIANTS: Readonly<Record<string, { readonly order: readonly string[]; readonly usual: string }>> = {
  amd64: { order: ['v4', 'v3', 'v2', 'v1'], usual: 'v1' },
  arm: { order: ['v8', 'v7', 'v6', 'v5'], usual: 'v7' },
  arm64: { order: ['v9', 'v8'], usual: 'v8' },
};

export function hostPlatform(): Platform {
  return { os: 'linux', architecture: hostArchitecture() };
}

/** `linux/arm64`, `linux/arm/v7`, or an architecture alone. */
export function parsePlatform(text: string): Platform {
  const parts = text.toLowerCase().split('/');
  const [os, ...rest] = parts.length === 1 && text !== 'linux' ? ['linux', text] : parts;
  const [architecture, variant] = (ALIASES[rest[0] ?? ''] ?? rest[0] ?? hostArchitecture()).split('/');
  const given = rest[1] ?? variant;
  const isWord = [os, architecture, given ?? 'v'].every((word) => /^[a-z0-9_.-]+$/.test(word ?? ''));
  if (isWord && rest.length <= 2 && os && architecture)
    return { os, architecture, ...(given ? { variant: given } : {}) };
  throw new TsrunError('BAD_PLATFORM', `Cannot use the platform ${JSON.stringify(text)}`, {
    hint: 'write it as OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT, such as linux/arm64',
  });
}

export function platformName({ os, architecture, variant }: Platform): string {
  return [os, architecture, ...(variant === undefined ? [] : [variant])].join('/');
}

/** The first of the best: the newest variant that `wanted` runs. What says nothing of a platform fits none. */
export function choosePlatform(manifests: readonly Descriptor[], wanted: Platform): Descriptor | undefined {
  const ranked = manifests
    .map((manifest) => ({
      manifest,
      rank: manifest.platform ? rankOf(manifest.platform, wanted) : undefined,
    }))
    .filter((candidate) => candidate.rank !== undefined);
  return ranked.toSorted((a, b) => (a.rank ?? 0) - (b.rank ?? 0))[0]?.manifest;
}

/** Whether an image for `offered` runs on `wanted`. */
export function fitsPlatform(offered: Platform, wanted: Platform): boolean {
  return rankOf(offered, wanted) !== undefined;
}

/** 0 for the same variant, more for an older one, undefined for what does not run. */
function rankOf(offered: Platform, wanted: Platform): number | undefined {
  if (offered.os !== wanted.os || offered.architecture !== wanted.architecture) return undefined;
  const known = VARIANTS[wanted.architecture];
  if (known === undefined) return offered.variant === wanted.variant ? 0 : undefined;
  const distance =
    known.order.indexOf(offered.variant ?? known.usual) - known.order.indexOf(wanted.variant ?? known.usual);
  const isKnown = known.order.includes(offered.variant ?? known.usual);
  return isKnown && distance >= 0 ? distance : undefined;
}
