import type { FoundInProject, Project, ProjectChanges } from '$lib/live/types';
import type { Connection } from '$lib/shared/connection.svelte';

/** Repositories that mainloop knows. */
export class Projects {
  readonly #connection: Connection;
  #all = $state.raw<Project[]>([]);

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onchange((changes) => {
      if (changes.has('projects')) this.#all = [...connection.live.world.projects.values()];
    });
  }

  get all(): Project[] {
    return this.#all;
  }

  async add(source: string, name: string): Promise<Project> {
    const { api, live } = this.#connection;
    const project = await live.call(() => api.addProject(name ? { source, name } : { source }));
    live.takeProject(project);
    return project;
  }

  async change(id: string, changes: ProjectChanges): Promise<void> {
    const { api, live } = this.#connection;
    live.takeProject(await live.call(() => api.changeProject(id, changes)));
  }

  /** What a look into it finds that its settings could say. */
  look(id: string): Promise<FoundInProject> {
    const { api, live } = this.#connection;
    return live.call(() => api.lookIntoProject(id));
  }

  /** Read them again: no event tells when a fetch has ended. */
  async refresh(): Promise<void> {
    const { api, live } = this.#connection;
    for (const project of await live.call(() => api.projects())) live.takeProject(project);
  }
}
