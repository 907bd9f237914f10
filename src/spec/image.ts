/**
 * The OCI Image Specification 1.1 and Docker's image schema 2, as far as an engine reads them: descriptors,
 * manifests, indexes, image configs, and docker-archive's manifest.json. Names are the specifications'.
 */
import type { Digest } from '../lib/brands.ts';
import {
  asArray,
  asObject,
  asOptionalString,
  asOptionalStrings,
  asSize,
  asString,
  asStringMap,
  field,
  invalid,
  type JsonObject,
  parseJsonDocument,
} from './image-json.ts';

export const MEDIA_TYPES = {
  ociIndex: 'application/vnd.oci.image.index.v1+json',
  ociManifest: 'application/vnd.oci.image.manifest.v1+json',
  ociConfig: 'application/vnd.oci.image.config.v1+json',
  ociLayer: 'application/vnd.oci.image.layer.v1.tar',
  dockerIndex: 'application/vnd.docker.distribution.manifest.list.v2+json',
  dockerManifest: 'application/vnd.docker.distribution.manifest.v2+json',
  dockerConfig: 'application/vnd.docker.container.image.v1+json',
} as const;

/** How a layer's bytes are compressed, by media type. A type that is not here is refused by name. */
export const LAYER_MEDIA_TYPES: ReadonlyMap<string, 'none' | 'gzip' | 'zstd'> = new Map([
  [MEDIA_TYPES.ociLayer, 'none'],
  [`${MEDIA_TYPES.ociLayer}+gzip`, 'gzip'],
  [`${MEDIA_TYPES.ociLayer}+zstd`, 'zstd'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip'],
]);

export const MANIFEST_TYPES: ReadonlySet<string> = new Set([
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerManifest,
]);
export const INDEX_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.ociIndex, MEDIA_TYPES.dockerIndex]);
const CONFIG_TYPES: ReadonlySet<string> = new Set([MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig]);

/** The annotation of a descriptor in index.json that holds its name. */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/** The kernel takes about 500 layers in one overlay mount; an image far above that is a mistake or an attack. */
const MAX_LAYERS = 500;
const MAX_INDEX_ENTRIES = 10_000;

export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
}

export interface Manifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

export interface Index {
  readonly manifests: readonly Descriptor[];
}

export interface History {
  readonly created?: string;
  readonly created_by?: string;
  readonly author?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** The `config` part: what a container made from the image starts with. */
export interface ContainerDefaults {
  readonly User?: string;
  readonly ExposedPorts?: readonly string[];
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Volumes?: readonly string[];
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Shell?: readonly string[];
}

export interface ImageConfig {
  readonly created?: string;
  readonly author?: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly os: string;
  readonly config: ContainerDefaults;
  /** Digests of the uncompressed layers, lowest first. */
  readonly diffIds: readonly Digest[];
  readonly history: readonly History[];
}

/** One image in docker-archive's manifest.json: paths inside the archive. */
export interface DockerArchiveImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

const DIGEST = /^(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** `sha256:` and 64 lower-case hexadecimal digits, or `sha512:` and 128; nothing else ever names a file. */
export function asDigest(value: unknown, what: string): Digest {
  const text = asString(value, what);
  if (!isDigest(text))
    throw invalid(what, `is not a sha256 or sha512 digest in lower case: ${JSON.stringify(text)}`);
  return text;
}

export function asDescriptor(value: unknown, what: string): Descriptor {
  const object = asObject(value, what);
  const annotations = field(object, 'annotations');
  const platform = field(object, 'platform');
  return {
    mediaType: asString(field(object, 'mediaType'), `${what}.mediaType`),
    digest: asDigest(field(object, 'digest'), `${what}.digest`),
    size: asSize(field(object, 'size'), `${what}.size`),
    ...(annotations === undefined ? {} : { annotations: asStringMap(annotations, `${what}.annotations`) }),
    ...(platform === undefined ? {} : { platform: asPlatform(platform, `${what}.platform`) }),
  };
}

function asPlatform(value: unknown, what: string): Platform {
  const object = asObject(value, what);
  const variant = asOptionalString(field(object, 'variant'), `${what}.variant`);
  return {
    os: asString(field(object, 'os'), `${what}.os`),
    architecture: asString(field(object, 'architecture'), `${what}.architecture`),
    ...(variant ? { variant } : {}),
  };
}

/**
 * A manifest. `mediaType` is the one its descriptor (or the registry) gave; a document that claims another, or that
 * could be read as an index too, is refused (CVE-2021-41190).
 */
export function parseManifest(bytes: Uint8Array, mediaType: string, what: string): Manifest {
  const object = typedDocument(bytes, mediaType, MANIFEST_TYPES, what);
  if (field(object, 'manifests') !== undefined) throw invalid(what, 'has both layers and manifests');
  const config = asDescriptor(field(object, 'config'), `${what}.config`);
  if (!CONFIG_TYPES.has(config.mediaType)) {
    throw invalid(
      `${what}.config`,
      `has the media type ${config.mediaType}, which is no container image config`,
    );
  }
  const layers = asArray(field(object, 'layers'), `${what}.layers`, asDescriptor);
  if (layers.length > MAX_LAYERS)
    throw invalid(what, `has ${layers.length} layers, above the limit of ${MAX_LAYERS}`);
  for (const [i, layer] of layers.entries()) {
    if (LAYER_MEDIA_TYPES.has(layer.mediaType)) continue;
    throw invalid(`${what}.layers[${i}]`, `has the media type ${layer.mediaType}, which tsrun cannot unpack`);
  }
  return { mediaType, config, layers };
}

/** An index or Docker manifest list; `mediaType` as in {@link parseManifest}. */
export function parseIndex(bytes: Uint8Array, mediaType: string, what: string): Index {
  const object = typedDocument(bytes, mediaType, INDEX_TYPES, what);
  if (field(object, 'layers') !== undefined || field(object, 'config') !== undefined) {
    throw invalid(what, 'has both manifests and layers');
  }
  const manifests = asArray(field(object, 'manifests'), `${what}.manifests`, asDescriptor);
  if (manifests.length > MAX_INDEX_ENTRIES)
    throw invalid(what, `lists more than ${MAX_INDEX_ENTRIES} manifests`);
  return { manifests };
}

function typedDocument(
  bytes: Uint8Array,
  mediaType: string,
  known: ReadonlySet<string>,
  what: string,
): JsonObject {
  if (!known.has(mediaType)) throw invalid(what, `has the unexpected media type ${mediaType}`);
  const object = asObject(parseJsonDocument(bytes, what), what);
  if (field(object, 'schemaVersion') !== 2) throw invalid(what, 'has a schemaVersion other than 2');
  const claimed = asOptionalString(field(object, 'mediaType'), `${what}.mediaType`);
  if (claimed !== undefined && claimed !== mediaType) {
    throw invalid(what, `claims to be ${claimed} but was given as ${mediaType}`);
  }
  return object;
}

/** An image config. `layerCount` is the number of layers of the manifest it belongs to. */
export function parseImageConfig(bytes: Uint8Array, layerCount: number, what: string): ImageConfig {
  const image = asImageConfig(parseJsonDocument(bytes, what), what);
  if (image.diffIds.length !== layerCount) {
    throw invalid(what, `lists ${image.diffIds.length} diff IDs for ${layerCount} layers`);
  }
  const filled = image.history.filter((h) => !h.empty_layer).length;
  if (image.history.length > 0 && filled !== layerCount) {
    throw invalid(what, `has ${filled} history entries with a layer for ${layerCount} layers`);
  }
  return image;
}

export function asImageConfig(value: unknown, what: string): ImageConfig {
  const object = asObject(value, what);
  const rootfs = asObject(field(object, 'rootfs'), `${what}.rootfs`);
  if (field(rootfs, 'type') !== 'layers') throw invalid(`${what}.rootfs.type`, 'is not "layers"');
  const history = field(object, 'history');
  return {
    ...optionalStrings(object, ['created', 'author', 'variant'], what),
    architecture: asString(field(object, 'architecture'), `${what}.architecture`),
    os: asString(field(object, 'os'), `${what}.os`),
    config: asContainerDefaults(field(object, 'config') ?? {}, `${what}.config`),
    diffIds: asArray(field(rootfs, 'diff_ids') ?? [], `${what}.rootfs.diff_ids`, asDigest),
    history: history === undefined ? [] : asArray(history, `${what}.history`, asHistory),
  };
}

function asContainerDefaults(value: unknown, what: string): ContainerDefaults {
  const object = asObject(value, what);
  const labels = field(object, 'Labels');
  return {
    ...optionalStrings(object, ['User', 'WorkingDir', 'StopSignal'], what),
    ...optionalLists(object, ['Env', 'Entrypoint', 'Cmd', 'Shell'], what),
    ...optionalSets(object, ['ExposedPorts', 'Volumes'], what),
    ...(labels === undefined ? {} : { Labels: asStringMap(labels, `${what}.Labels`) }),
  };
}

function asHistory(value: unknown, what: string): History {
  const object = asObject(value, what);
  return {
    ...optionalStrings(object, ['created', 'created_by', 'author', 'comment'], what),
    ...(field(object, 'empty_layer') === true ? { empty_layer: true } : {}),
  };
}

/** docker-archive's manifest.json: the images in the archive. */
export function parseDockerArchiveManifest(bytes: Uint8Array, what: string): readonly DockerArchiveImage[] {
  return asArray(parseJsonDocument(bytes, what), what, (value, where) => {
    const object = asObject(value, where);
    return {
      Config: asString(field(object, 'Config'), `${where}.Config`),
      RepoTags: asOptionalStrings(field(object, 'RepoTags'), `${where}.RepoTags`) ?? [],
      Layers: asOptionalStrings(field(object, 'Layers'), `${where}.Layers`) ?? [],
    };
  });
}

function optionalStrings<K extends string>(object: JsonObject, names: readonly K[], what: string) {
  return collect(names, (name) => asOptionalString(field(object, name), `${what}.${name}`));
}

function optionalLists<K extends string>(object: JsonObject, names: readonly K[], what: string) {
  return collect(names, (name) => asOptionalStrings(field(object, name), `${what}.${name}`));
}

/** Go's map[string]struct{}: only the keys say anything. */
function optionalSets<K extends string>(object: JsonObject, names: readonly K[], what: string) {
  return collect(names, (name) => {
    const value = field(object, name);
    return value === undefined ? undefined : Object.keys(asObject(value, `${what}.${name}`));
  });
}

function collect<K extends string, V>(
  names: readonly K[],
  read: (name: K) => V | undefined,
): { [P in K]?: V } {
  const found: { [P in K]?: V } = {};
  for (const name of names) {
    const value = read(name);
    if (value !== undefined) found[name] = value;
  }
  return found;
}
