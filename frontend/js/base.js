// Everything of the service lies below one path, which is empty unless a proxy has it below one of its site. It is where
// this file lies, less the part that is ours: ROOT/static/RELEASE/js/base.js.

const own = new URL(import.meta.url).pathname;

/** The service's path on its site, without a slash at its end. */
export const ROOT = own.slice(0, own.lastIndexOf("/static/"));

/** A path of this site without the service's own: `/runs` of `/resdrop/runs`. */
export function withoutRoot(path) {
  if (path === ROOT) return "/";
  return path.startsWith(`${ROOT}/`) ? path.slice(ROOT.length) : path;
}
