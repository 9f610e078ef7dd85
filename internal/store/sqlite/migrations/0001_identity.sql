-- Marks the file as fluxosd's ("FLUX"). Tables of collections are made from their declarations.
PRAGMA application_id = 1179407704;
