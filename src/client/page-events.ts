/** What a page tells about its network and its visibility. */
export interface PageListener {
  offline(): void;
  online(): void;
  visible(): void;
}

interface EventSource {
  addEventListener?(type: string, listener: () => void): void;
  removeEventListener?(type: string, listener: () => void): void;
}

/** The globals of a browser, as far as the SDK uses them; in Node there are none of them. */
interface Page extends EventSource {
  readonly document?: EventSource & { readonly visibilityState?: string };
}

/** Listens to a page's events; gives back what ends it. Where there is no page nothing ever happens. */
export function listenToPage(listener: PageListener, page: Page = globalThis as Page): () => void {
  const { document } = page;
  const offline = (): void => listener.offline();
  const online = (): void => listener.online();
  const visibility = (): void => {
    if (document?.visibilityState === 'visible') listener.visible();
  };
  page.addEventListener?.('offline', offline);
  page.addEventListener?.('online', online);
  document?.addEventListener?.('visibilitychange', visibility);
  return () => {
    page.removeEventListener?.('offline', offline);
    page.removeEventListener?.('online', online);
    document?.removeEventListener?.('visibilitychange', visibility);
  };
}
