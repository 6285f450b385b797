// A SharedWorker: browsers allow six connections to one HTTP/1.1 host, so all tabs share one event stream. Its name is
// the stream's address.
import { StreamHub } from "./stream-hub.js";

const hub = new StreamHub(self.name);
self.addEventListener("connect", (event) => hub.connect(event.ports[0]));
