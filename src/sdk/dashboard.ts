import type { User } from "../accounts/identity/principal.ts";

/** Who looks at a dashboard, and what they may do. */
export interface CardViewer {
  readonly user: User;
  can(permission: string): boolean;
}

export interface CardOptions {
  /** English; `languages/fr.json` of the plugin has its French. At most 60 characters. */
  readonly title: string;
  /** Where it leads, below the plugin's own path: "/orders". @default nowhere */
  readonly path?: string;
  /** Who sees it. @default everybody who is signed in */
  readonly permission?: string;
}

/** What a card shows: a figure, or some of them. */
export interface CardContent {
  /** The figure that counts. */
  readonly value?: string | number;
  /** A few words below it. */
  readonly note?: string;
  /** Figures by their names; the first ten are shown. */
  readonly rows?: readonly { readonly label: string; readonly value: string | number }[];
}

/** The dashboard of the administration, as a plugin uses it. */
export interface PluginDashboard {
  /**
   * Adds a card to the dashboard of `/ui`, which is asked for what it shows each time that somebody looks. It has two
   * seconds; what it throws is shown as a card that can't be read, and stands in the log.
   *
   * @example dashboard.card("open", { title: "Open orders", permission: "shop:read" }, async () => ({ value: 12 }));
   * @returns its undo
   * @throws TypeError for options that can't be used, and a second card of a name
   */
  card(
    name: string,
    options: CardOptions,
    read: (viewer: CardViewer) => CardContent | Promise<CardContent>,
  ): () => void;
}
